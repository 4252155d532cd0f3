//! What the stack in production sets, as far as it is paid for. A test holds it to the template that `infra/` deploys.

/// MiB of memory.
pub(crate) const INGEST_MIB: f64 = 1024.0;
pub(crate) const COMMIT_MIB: f64 = 1024.0;
pub(crate) const MAINTAIN_MIB: f64 = 2048.0;
pub(crate) const FRONT_MIB: f64 = 256.0;

/// Records of a batch at most; and bytes, which is Lambda's.
pub(crate) const BATCH_RECORDS: f64 = 10_000.0;
pub(crate) const BATCH_BYTES: f64 = 6.0 * 1024.0 * 1024.0;
/// `EVENTS_AT_ONCE` and `BYTES_AT_ONCE` of `cdp_app`: what a batch has beyond goes through in another step.
pub(crate) const EVENTS_AT_ONCE: f64 = 30_000.0;
pub(crate) const BYTES_AT_ONCE: f64 = 48.0 * 1024.0 * 1024.0;
/// What a record brings along in a batch: ids, names and the stream's ARN.
pub(crate) const RECORD_ENVELOPE_BYTES: f64 = 650.0;
/// How long wake-ups gather for a commit.
pub(crate) const COMMIT_WAIT_S: f64 = 5.0;
pub(crate) const MAINTAIN_EVERY_S: f64 = 15.0 * 60.0;

pub(crate) const ALARMS: f64 = 28.0;
pub(crate) const DASHBOARDS: f64 = 1.0;
pub(crate) const SECRETS: f64 = 1.0;
/// Those that the functions tell, and the filter that counts ingest's faults.
pub(crate) const METRICS: f64 = 6.0;

/// Lambda gives a whole processor for so much memory, and a part of one for less.
const MIB_OF_A_PROCESSOR: f64 = 1769.0;

/// Seconds that a call takes and is paid for. The functions compute on one thread.
pub(crate) fn seconds(cpu_ms: f64, mib: f64, waits_s: f64) -> f64 {
    cpu_ms / 1000.0 / (mib / MIB_OF_A_PROCESSOR).min(1.0) + waits_s
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const TEMPLATE: &str = include_str!("../../../infra/test/snapshots/prod.json");

    fn resources(kind: &str) -> Vec<Value> {
        let template: Value = serde_json::from_str(TEMPLATE).expect("JSON");
        let all = template["Resources"].as_object().expect("an object").values();
        all.filter(|resource| resource["Type"] == kind).map(|resource| resource["Properties"].clone()).collect()
    }

    fn mib_of(description: &str) -> f64 {
        let all = resources("AWS::Lambda::Function");
        let found =
            all.iter().find(|function| function["Description"].as_str().is_some_and(|d| d.starts_with(description)));
        found.expect(description)["MemorySize"].as_f64().expect("a number")
    }

    #[test]
    fn it_is_what_the_template_says() {
        assert_eq!(mib_of("Validates, stitches"), INGEST_MIB);
        assert_eq!(mib_of("Commits landed files"), COMMIT_MIB);
        assert_eq!(mib_of("Compacts"), MAINTAIN_MIB);
        assert_eq!(mib_of("Puts events of SDKs"), FRONT_MIB);
        assert_eq!(mib_of("Answers who"), FRONT_MIB);
        assert_eq!(resources("AWS::CloudWatch::Alarm").len() as f64, ALARMS);
        assert_eq!(resources("AWS::CloudWatch::Dashboard").len() as f64, DASHBOARDS);
        assert_eq!(resources("AWS::SecretsManager::Secret").len() as f64, SECRETS);
        let mappings = resources("AWS::Lambda::EventSourceMapping");
        let batches = mappings.iter().find(|mapping| mapping["ParallelizationFactor"] == 1).expect("of the stream");
        assert_eq!(batches["BatchSize"].as_f64(), Some(BATCH_RECORDS));
        let outbox = mappings.iter().find(|mapping| mapping["FilterCriteria"].is_object()).expect("of the outbox");
        assert_eq!(outbox["MaximumBatchingWindowInSeconds"].as_f64(), Some(COMMIT_WAIT_S));
    }

    #[test]
    fn what_goes_through_at_once_is_what_ingest_says() {
        assert_eq!((cdp_app::EVENTS_AT_ONCE as f64, cdp_app::BYTES_AT_ONCE as f64), (EVENTS_AT_ONCE, BYTES_AT_ONCE));
    }

    #[test]
    fn a_small_function_has_a_part_of_a_processor() {
        for (cpu_ms, mib, waits_s, expected) in
            [(1000.0, 1769.0, 0.5, 1.5), (1000.0, 884.5, 0.0, 2.0), (1000.0, 3538.0, 0.0, 1.0)]
        {
            assert_eq!(seconds(cpu_ms, mib, waits_s), expected);
        }
    }
}
