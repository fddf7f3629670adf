//! The text that Prometheus scrapes.
//!
//! The library writes OpenMetrics, which names a counter's family without `_total`. Everything that reads metrics also
//! reads the older text format, in which HELP and TYPE carry the whole name, as the contract has it; so that is served.

use std::fmt;

use prometheus_client::encoding::text::encode_registry;
use prometheus_client::registry::Registry;

/// The `Content-Type` of [`exposition`].
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Every metric of the registry.
pub(super) fn exposition(registry: &Registry) -> Result<String, fmt::Error> {
    let mut open_metrics = String::new();
    encode_registry(&mut open_metrics, registry)?;
    Ok(classic(&open_metrics))
}

/// OpenMetrics text in the form of version 0.0.4: whole counter names, no units, no end mark.
fn classic(open_metrics: &str) -> String {
    let counters: Vec<&str> =
        open_metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut text = String::with_capacity(open_metrics.len() + 8 * counters.len());
    for line in open_metrics.lines() {
        let comment = line.strip_prefix("# ").and_then(|rest| rest.split_once(' '));
        match comment.map(|(kind, rest)| (kind, rest.split_once(' ').unwrap_or((rest, "")))) {
            Some((kind @ ("HELP" | "TYPE"), (name, rest))) if counters.contains(&name) => {
                text.push_str(&format!("# {kind} {name}_total {rest}\n"));
            }
            Some(("UNIT", _)) => {}
            _ if line == "# EOF" => {}
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::classic;

    #[test]
    fn a_counters_help_and_type_carry_its_whole_name() {
        let open = "# HELP a_b Counts.\n# TYPE a_b counter\na_b_total{x=\"y\"} 1\n# HELP g G.\n# TYPE g gauge\n\
                    # UNIT g seconds\ng 2\n# EOF\n";
        let expected = "# HELP a_b_total Counts.\n# TYPE a_b_total counter\na_b_total{x=\"y\"} 1\n# HELP g G.\n\
                        # TYPE g gauge\ng 2\n";
        assert_eq!(classic(open), expected);
    }
}
