//! What is tried: the settings that save something, or that would cost more, beside those that are shipped.

use crate::provider::Manner;

/// One way to start the server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    /// As the table has it.
    pub(super) name: &'static str,
    /// What differs from the shipped settings.
    pub(super) environment: &'static [(&'static str, &'static str)],
}

impl Setting {
    const fn of(name: &'static str, environment: &'static [(&'static str, &'static str)]) -> Self {
        Self { name, environment }
    }

    fn is(&self, name: &str, value: &str) -> bool {
        self.environment.iter().any(|(known, set)| *known == name && *set == value)
    }

    /// Whether answers are to be short: then an answer need not name every task.
    pub(super) fn is_brief(&self) -> bool {
        self.is("COST_ALWAYS_BRIEF", "true")
    }

    /// Whether the agent speaks in code, so that it can be read back.
    pub(super) fn speaks_in_code(&self) -> bool {
        !self.is("TTS_CHAIN", "embedded")
    }
}

/// Settings that are compared with each other, in the same conversation with the same model; the first one is as shipped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    /// As the table has it.
    pub(super) name: &'static str,
    /// How the rehearsed model words its answers.
    pub(super) manner: Manner,
    /// How often the conversation goes round, each time about other tasks.
    pub(super) rounds: usize,
    pub(super) settings: &'static [Setting],
}

/// What holds for all of them, unless they say otherwise: no rivals. A machine that is busy for a moment would ask for some, and their cost hide the rest.
pub(super) const EVERYWHERE: [(&str, &str); 2] = [("FAILOVER_FREE_HEDGES", "0"), ("FAILOVER_HEDGE_PERCENT", "0")];

pub(super) const SHIPPED: Setting = Setting::of("as shipped, but for rivals", &[]);
const BRIEF: Setting = Setting::of("`cost.always_brief = true`", &[("COST_ALWAYS_BRIEF", "true")]);

/// Everything that is tried.
pub(super) const GROUPS: [Group; 3] = [
    Group {
        name: "A model that makes an offer after each answer",
        manner: Manner::Chatty,
        rounds: 1,
        settings: &[
            SHIPPED,
            BRIEF,
            Setting::of("`openai.say_with_call = false`", &[("OPENAI_SAY_WITH_CALL", "false")]),
            Setting::of("`cost.answer_cache_s = 0`", &[("COST_ANSWER_CACHE_S", "0")]),
            Setting::of(
                "`cost.answer_cache_s = 0`, `cost.voice_cache_s = 0`",
                &[("COST_ANSWER_CACHE_S", "0"), ("COST_VOICE_CACHE_S", "0")],
            ),
            Setting::of("`STT_CHAIN=whisper`, at Deepgram's price", &[("STT_CHAIN", "whisper")]),
            Setting::of("`TTS_CHAIN=embedded`", &[("TTS_CHAIN", "embedded")]),
            Setting::of("with rivals, as shipped", &[("FAILOVER_FREE_HEDGES", "4"), ("FAILOVER_HEDGE_PERCENT", "20")]),
            Setting::of("`endpointing.preemptive = false`", &[("ENDPOINTING_PREEMPTIVE", "false")]),
        ],
    },
    Group {
        name: "A model that says one sentence anyhow",
        manner: Manner::Sparing,
        rounds: 1,
        settings: &[SHIPPED, BRIEF],
    },
    Group {
        name: "Three times as long a call, with the first model",
        manner: Manner::Chatty,
        rounds: 3,
        settings: &[
            SHIPPED,
            Setting::of("`openai.max_context_chars = 2000`", &[("OPENAI_MAX_CONTEXT_CHARS", "2000")]),
            Setting::of("`session.max_history = 8`", &[("SESSION_MAX_HISTORY", "8")]),
        ],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_group_begins_as_shipped_and_tries_nothing_twice() {
        for group in GROUPS {
            assert!(group.settings[0].environment.is_empty(), "{}", group.name);
            let mut names: Vec<&str> = group.settings.iter().map(|setting| setting.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), group.settings.len(), "{}", group.name);
        }
    }

    /// The numbers of a price list, by model; nothing but whole lines of `name = number` counts.
    fn numbers(list: &str) -> BTreeMap<&str, Vec<String>> {
        let mut by_model = BTreeMap::new();
        let mut model = "";
        for line in list.lines() {
            match (line.strip_prefix("[\""), line.split_once(" = ")) {
                (Some(rest), _) => model = rest.trim_end_matches("\"]"),
                (None, Some((_, value))) if value.starts_with(|c: char| c.is_ascii_digit()) => {
                    by_model.entry(model).or_insert_with(Vec::new).push(line.to_owned());
                }
                _ => {}
            }
        }
        by_model
    }

    #[test]
    fn the_drills_list_has_the_prices_that_the_shipped_one_knows() {
        let shipped = numbers(include_str!("../../../../../config/prices.toml"));
        let drilled = numbers(include_str!("../../../../../scripts/drill-prices.toml"));
        assert!(shipped.len() >= 3 && drilled.len() > shipped.len(), "{shipped:?}");
        for (model, prices) in shipped {
            assert_eq!(drilled.get(model), Some(&prices), "{model}");
        }
    }
}
