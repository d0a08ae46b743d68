//! This crate's only query of its own: what the store has is enough otherwise.

store::queries! {
    PARKED_ANY = "parked/any";
}

#[cfg(test)]
mod tests {
    use super::ALL;
    use crate::harness::World;

    #[tokio::test]
    async fn every_query_is_understood_by_both_engines() {
        for engine in testkit::ENGINES {
            let world = World::new(engine).await;
            for query in ALL {
                world.db.prepare(query).await.unwrap();
            }
        }
    }
}
