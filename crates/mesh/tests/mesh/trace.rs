//! One trace and one request id from the first caller to the last hop.

use mesh::Context;

use crate::probe::{CALL, Probe, World, ask, ask_with};

fn seen() -> String {
    let context = Context::current();
    format!("{} {}", context.traceparent(), context.request_id())
}

#[tokio::test]
async fn trace_and_request_id_go_from_hop_to_hop() {
    for world in World::both() {
        let (far, ..) = world.serve(Probe::new(async |_| Ok(seen()))).await;
        let far = world.client(&far);
        let near = Probe::new(move |_| {
            let far = far.clone();
            async move { Ok(format!("{} {}", seen(), ask(&far, "x").await?)) }
        });
        let (near, ..) = world.serve(near).await;
        let near = world.client(&near);

        let mut request = tonic::Request::new(String::new());
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        request
            .metadata_mut()
            .insert("traceparent", parent.parse().unwrap());
        request
            .metadata_mut()
            .insert("x-request-id", "order-7".parse().unwrap());
        let answer = ask_with(&near, CALL, request).await.unwrap();
        let told: Vec<&str> = answer.split(' ').collect();
        let [first, first_id, second, second_id] = told[..] else {
            panic!("{answer}")
        };
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-";
        assert!(
            first.starts_with(trace) && second.starts_with(trace),
            "{answer}"
        );
        assert!(
            first != parent && second != parent && first != second,
            "{answer}"
        );
        assert_eq!((first_id, second_id), ("order-7", "order-7"));
    }
}

#[tokio::test]
async fn a_job_takes_its_trace_into_its_calls() {
    let world = World::memory();
    let probe = Probe::new(async |_| Ok(Context::current().trace_id()));
    let (address, ..) = world.serve(probe).await;
    let client = world.client(&address);
    let job = Context::background(std::time::Duration::from_secs(5));
    let trace_id = job.trace_id();
    assert_eq!(job.scope(ask(&client, "x")).await.unwrap(), trace_id);
}
