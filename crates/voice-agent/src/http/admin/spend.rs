//! What was spent, by day.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use voice_core::cost::NanoUsd;

use super::super::problem::Problem;
use super::role::{AdminCall, admit};
use crate::app::Shared;
use crate::ledger::CALL_STAGE;
use crate::store::{Spend, SpendSum};

/// Days that are told when nobody says how many.
const DAYS: i64 = 7;
/// Most days that are told at once.
const MOST_DAYS: i64 = 400;

/// `GET /api/admin/spend?days=N`: what all instances of this store have spent on the last days (UTC), newest first, by
/// channel, provider and stage.
pub(in super::super) async fn spend(
    State(app): State<Shared>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    admit(&app, &headers, AdminCall::Spend)?;
    let days = read_days(query.as_deref().unwrap_or_default())?;
    let today = app.clock.now().to_zoned_datetime(TimeZone::UTC).date();
    let from = today.checked_sub((days - 1).days()).unwrap_or(Date::MIN);
    // What this instance still holds back is a part of it.
    let flushed = app.ledger.flush().await;
    let read = match flushed {
        Ok(()) => app.store.spend(from, today).await,
        Err(error) => Err(error),
    };
    let spend = read.map_err(|error| {
        app.events.store_failed("spend", &error);
        Problem::unavailable("store", "The store does not work now.", app.config.limits.retry_after_s)
    })?;
    let ceilings = app.ledger.ceilings();
    let ceiling = |money: NanoUsd| if money.0 == 0 { Value::Null } else { json!(money.as_usd()) };
    Ok(Json(json!({
        "today": today,
        "today_usd": app.ledger.today().as_usd(),
        "ceilings": {"call_usd": ceiling(ceilings.call), "day_usd": ceiling(ceilings.day)},
        "days": describe(spend),
    })))
}

fn read_days(query: &str) -> Result<i64, Problem> {
    let mut days = DAYS;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let given = value.parse().ok().filter(|days| (1..=MOST_DAYS).contains(days));
        days = given
            .filter(|_| name == "days")
            .ok_or_else(|| Problem::bad_request(format!("The query takes days, a number from 1 to {MOST_DAYS}.")))?;
    }
    Ok(days)
}

/// Newest day first.
fn describe(spend: Spend) -> Vec<Value> {
    let mut days: BTreeMap<Date, Spend> = BTreeMap::new();
    for (key, sum) in spend {
        days.entry(key.day).or_default().push((key, sum));
    }
    days.into_iter().rev().map(|(day, spend)| describe_day(day, &spend)).collect()
}

fn describe_day(day: Date, spend: &Spend) -> Value {
    let (mut all, mut calls) = (SpendSum::default(), SpendSum::default());
    let mut parts = Vec::new();
    for (key, sum) in spend {
        if key.stage == CALL_STAGE {
            calls.add(*sum);
        } else {
            all.add(*sum);
        }
        parts.push(json!({
            "channel": key.channel,
            "provider": key.provider,
            "stage": key.stage,
            "used_usd": sum.used.as_usd(),
            "wasted_usd": sum.wasted.as_usd(),
            "quantity": sum.quantity,
            "records": sum.records,
        }));
    }
    let minutes = calls.quantity as f64 / 60_000.0;
    json!({
        "day": day,
        "used_usd": all.used.as_usd(),
        "wasted_usd": all.wasted.as_usd(),
        "calls": calls.records,
        "connected_minutes": minutes,
        // Nobody was connected, or nobody has hung up yet.
        "cost_per_minute_usd": (calls.quantity > 0).then(|| all.used.as_usd() / minutes),
        "parts": parts,
    })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::store::SpendKey;

    #[test]
    fn days_are_told_newest_first_with_what_a_minute_cost() {
        let key = |day, stage: &str| SpendKey {
            day,
            channel: "phone".to_owned(),
            provider: String::new(),
            stage: stage.to_owned(),
        };
        let sum = |used, quantity| SpendSum { used: NanoUsd(used), wasted: NanoUsd(0), quantity, records: 1 };
        let (old, new) = (date(2026, 11, 17), date(2026, 11, 18));
        let spend = vec![
            (key(old, "llm"), sum(5, 7)),
            (key(new, CALL_STAGE), sum(0, 120_000)),
            (key(new, "stt"), sum(60_000_000, 1)),
        ];
        let told = describe(spend);
        assert_eq!((&told[0]["day"], &told[0]["cost_per_minute_usd"]), (&json!("2026-11-18"), &json!(0.03)));
        assert_eq!((&told[0]["calls"], &told[1]["cost_per_minute_usd"]), (&json!(1), &Value::Null));
    }

    #[test]
    fn a_number_of_days_that_is_none_is_refused() {
        assert_eq!((read_days("").unwrap(), read_days("days=400").unwrap()), (7, 400));
        for odd in ["days=0", "days=401", "days=x", "day=3"] {
            assert_eq!(read_days(odd).unwrap_err().code(), "bad_request", "{odd}");
        }
    }
}
