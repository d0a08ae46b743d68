//! `[[mesh.faults]]`: what a server does wrong on purpose, in builds that can.

use std::time::Duration;

use serde::Deserialize;

use crate::failure::Failure;

const LONGEST_DELAY: Duration = Duration::from_mins(10);

/// One thing that goes wrong.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultConfig {
    /// `package.Service/Method`, `package.Service/*`, or `*`: every method but those of health.
    pub method: String,
    /// With how many calls in a thousand; all.
    #[serde(default = "all")]
    pub share: u32,
    /// How long such a call waits first; not at all.
    #[serde(default, with = "humantime_serde")]
    pub delay: Duration,
    /// The gRPC code it is then answered with, as in `UNAVAILABLE`; empty: it is served.
    #[serde(default)]
    pub abort: String,
}

fn all() -> u32 {
    1000
}

impl FaultConfig {
    /// Refuses what cannot be meant, naming the key.
    pub(super) fn validate(&self, nth: usize) -> Result<(), Failure> {
        let wrong = |key, what| Err(Failure::config(format!("mesh.faults[{nth}]{key} {what}")));
        if cfg!(not(feature = "faults")) {
            let what =
                "needs a development build: this one was made without the cargo feature faults";
            return wrong("", what);
        }
        if !(1..=1000).contains(&self.share) {
            return wrong(".share", "must be between 1 and 1000, calls in a thousand");
        }
        if self.delay > LONGEST_DELAY {
            return wrong(".delay", "must be at most 10m");
        }
        if self.delay.is_zero() && self.abort.is_empty() {
            return wrong("", "must have a delay, an abort or both");
        }
        Ok(())
    }
}

#[cfg(feature = "faults")]
mod injection {
    use ::mesh::error::code_named;
    use ::mesh::{Injection, Policies};
    use tonic::Code;

    use super::{Failure, FaultConfig};

    impl FaultConfig {
        /// As the server takes it.
        pub(crate) fn injection(
            &self,
            nth: usize,
            policies: &Policies,
        ) -> Result<Injection, Failure> {
            let wrong =
                |key, what| Err(Failure::config(format!("mesh.faults[{nth}].{key} {what}")));
            let code = code_named(&self.abort).filter(|code| *code != Code::Ok);
            if code.is_none() && !self.abort.is_empty() {
                return wrong("abort", "must be a code that fails, e.g. UNAVAILABLE");
            }
            let injection = Injection {
                method: self.method.clone(),
                share: self.share,
                delay: self.delay,
                abort: code,
            };
            if !injection.is_known(policies) {
                let what = "must be package.Service/Method, package.Service/* or *, and be served";
                return wrong("method", what);
            }
            Ok(injection)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::{Config, ConfigError, File, FileFormat};

    fn read(text: &str) -> Result<FaultConfig, ConfigError> {
        let text = File::from_str(text, FileFormat::Toml);
        Config::builder()
            .add_source(text)
            .build()?
            .try_deserialize()
    }

    #[cfg(feature = "faults")]
    mod able {
        use super::*;
        use crate::ground::policies;
        use tonic::Code;

        #[test]
        fn a_fault_is_read_as_it_is_written() {
            let text = "method = \"paymesh.rate.v1.RateService/*\"\nshare = 100\n\
                        delay = \"2s\"\nabort = \"UNAVAILABLE\"";
            let fault = read(text).unwrap();
            fault.validate(0).unwrap();
            let injection = fault.injection(0, &policies().unwrap()).unwrap();
            assert_eq!(injection.share, 100);
            assert_eq!(injection.delay, Duration::from_secs(2));
            assert_eq!(injection.abort, Some(Code::Unavailable));
        }

        #[test]
        fn what_cannot_be_meant_is_refused_by_its_key() {
            for (text, key) in [
                ("method = \"*\"", "mesh.faults[3] must have"),
                ("method = \"*\"\ndelay = \"1h\"", "mesh.faults[3].delay"),
                (
                    "method = \"*\"\ndelay = \"1s\"\nshare = 1001",
                    "mesh.faults[3].share",
                ),
                ("method = \"*\"\nabort = \"OK\"", "mesh.faults[3].abort"),
                ("method = \"*\"\nabort = \"DOWN\"", "mesh.faults[3].abort"),
                (
                    "method = \"RateService/QuoteFee\"\nabort = \"INTERNAL\"",
                    "mesh.faults[3].method",
                ),
            ] {
                let fault = read(text).unwrap();
                let checked = fault.validate(3);
                let checked = checked.and_then(|()| fault.injection(3, &policies()?).map(|_| ()));
                let why = checked.unwrap_err().to_string();
                assert!(why.contains(&format!("CONFIG_INVALID: {key}")), "{why}");
            }
            assert!(read("delay = \"1s\"").is_err(), "a method must be named");
        }
    }

    #[cfg(not(feature = "faults"))]
    #[test]
    fn a_build_that_cannot_says_so() {
        let fault = read("method = \"*\"\ndelay = \"1s\"").unwrap();
        let why = fault.validate(0).unwrap_err().to_string();
        assert!(why.contains("mesh.faults[0]") && why.contains("cargo feature faults"));
    }
}
