//! What is asked of Prometheus.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::web::Web;

/// Points of a range that are looked at.
const POINTS: u64 = 240;

/// A Prometheus, by its HTTP API.
#[derive(Debug, Clone)]
pub(super) struct Prometheus {
    web: Web,
}

/// One series of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    /// Its labels.
    pub(super) labels: Vec<(String, String)>,
    /// Its value; NaN is one.
    pub(super) value: f64,
}

impl Sample {
    /// A label's value, or nothing.
    pub(super) fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// A window as PromQL writes it.
pub(super) fn range(window: Duration) -> String {
    format!("{}s", window.as_secs())
}

impl Prometheus {
    /// The one at this address.
    pub(super) const fn new(web: Web) -> Self {
        Self { web }
    }

    /// What a query gives now: a vector, or a scalar as one without labels.
    ///
    /// # Errors
    /// When Prometheus does not answer, or refuses the query.
    pub(super) async fn query(&self, expression: &str) -> Result<Vec<Sample>> {
        let data = self.ask("/api/v1/query", &[("query", expression)]).await?;
        samples(&data)
    }

    /// The one number of a query; none when there is none, or it is NaN.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub(super) async fn number(&self, expression: &str) -> Result<Option<f64>> {
        Ok(self.query(expression).await?.first().map(|sample| sample.value).filter(|value| !value.is_nan()))
    }

    /// Whether a query had a number at any time of the window.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub(super) async fn has_data(&self, expression: &str, window: Duration) -> Result<bool> {
        let now = jiff::Timestamp::now().as_second();
        let length = i64::try_from(window.as_secs()).unwrap_or(i64::MAX);
        let (start, end) = (now.saturating_sub(length).to_string(), now.to_string());
        let step = (window.as_secs() / POINTS).max(1).to_string();
        let query = [("query", expression), ("start", &start), ("end", &end), ("step", &step)];
        let data = self.ask("/api/v1/query_range", &query).await?;
        let series = data["result"].as_array().context("Prometheus answers no series")?;
        let mut values = series.iter().flat_map(|one| one["values"].as_array().into_iter().flatten());
        Ok(values.any(|value| value[1].as_str().is_some_and(|text| text != "NaN")))
    }

    /// Every rule: alerts and recorded ones.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub(super) async fn rules(&self) -> Result<Vec<Value>> {
        let data = self.ask("/api/v1/rules", &[]).await?;
        let groups = data["groups"].as_array().context("Prometheus answers no rules")?;
        Ok(groups.iter().flat_map(|group| group["rules"].as_array().into_iter().flatten()).cloned().collect())
    }

    /// How many Alertmanagers it tells.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub(super) async fn alertmanagers(&self) -> Result<usize> {
        let data = self.ask("/api/v1/alertmanagers", &[]).await?;
        Ok(data["activeAlertmanagers"].as_array().map_or(0, Vec::len))
    }

    async fn ask(&self, path: &str, query: &[(&str, &str)]) -> Result<Value> {
        let answer = self.web.get(path, query).await.context("Prometheus")?;
        if answer["status"] != "success" {
            bail!("Prometheus: {}", answer["error"].as_str().unwrap_or("no success"));
        }
        Ok(answer["data"].clone())
    }
}

fn samples(data: &Value) -> Result<Vec<Sample>> {
    let number = |value: &Value| value[1].as_str().and_then(|text| text.parse().ok());
    if data["resultType"] == "scalar" {
        return Ok(number(&data["result"]).map(|value| Sample { labels: Vec::new(), value }).into_iter().collect());
    }
    let series = data["result"].as_array().context("Prometheus answers no vector")?;
    let sample = |one: &Value| {
        let labels = one["metric"].as_object().into_iter().flatten();
        let labels = labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
        Some(Sample { labels, value: number(&one["value"])? })
    };
    Ok(series.iter().filter_map(sample).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn vectors_and_scalars_are_read() {
        let vector = json!({"resultType": "vector", "result": [
            {"metric": {"channel": "phone"}, "value": [1.5, "0.72"]}, {"metric": {}, "value": [1.5, "NaN"]},
            {"metric": {}, "value": [1.5, "+Inf"]}]});
        let read = samples(&vector).unwrap();
        assert_eq!((read[0].label("channel"), read[0].value, read[0].label("x")), ("phone", 0.72, ""));
        assert!(read[1].value.is_nan() && read[2].value.is_infinite());
        assert_eq!(samples(&json!({"resultType": "scalar", "result": [1, "3"]})).unwrap()[0].value, 3.0);
        assert!(samples(&json!({"resultType": "vector"})).is_err());
        assert_eq!(range(Duration::from_secs(86_400)), "86400s");
    }
}
