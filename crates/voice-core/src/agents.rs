//! The agents that share a call, and which of them may hand it to whom.

/// The agent that every session starts with.
pub const TASK_AGENT: &str = "TaskAgent";
/// The agent that goes through the open tasks one by one.
pub const REVIEW_AGENT: &str = "ReviewAgent";

/// The tool that hands the call to another agent; the core carries it out.
pub const TRANSFER_TOOL: &str = "transfer_to_agent";
/// The tool that ends the call; the core carries it out.
pub const END_CALL_TOOL: &str = "end_call";

/// The argument of a tool call that is no argument of the tool: what the model wants said once the call has done what it asks
/// for. The core takes it out, and then asks for no further words.
pub const SAY_ARGUMENT: &str = "say";

/// One agent: its name, what it is told, and whom it may hand the call to. Its tools' schemas are the shell's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agent {
    /// Its name, as `current_agent` has it.
    pub name: &'static str,
    /// The system prompt: short, and the same for every call, so that providers can cache it.
    pub instructions: &'static str,
    /// Whom it may hand the call to.
    pub handoffs: &'static [&'static str],
}

/// Every agent.
pub const AGENTS: [Agent; 2] = [
    Agent {
        name: TASK_AGENT,
        instructions: "You keep the caller's task list, by voice. Answer in one or two short spoken sentences; no lists, \
            no markdown. Use the tools for every change and every question about tasks; never claim what a tool did not \
            confirm. Keep titles in the caller's words. Ask which one when a title is ambiguous. Before deleting, ask, \
            and delete only after a yes. When the caller wants to go through the tasks one by one, transfer to \
            ReviewAgent. When the caller says goodbye, say goodbye and end the call.",
        handoffs: &[REVIEW_AGENT],
    },
    Agent {
        name: REVIEW_AGENT,
        instructions: "You go through the caller's open tasks one by one, by voice. Name one task, and ask whether to keep \
            it, finish it, move it, or delete it; do what the caller says with the tools, then name the next. One short \
            spoken sentence at a time. When the list is through or the caller has had enough, sum up in a sentence and \
            transfer to TaskAgent.",
        handoffs: &[TASK_AGENT],
    },
];

/// The agent of this name; an unknown name (from an older or newer version's snapshot) is the first agent.
pub fn find(name: &str) -> &'static Agent {
    AGENTS.iter().find(|agent| agent.name == name).unwrap_or(&AGENTS[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_handoff_leads_to_an_agent_and_back() {
        for agent in AGENTS {
            for &to in agent.handoffs {
                let other = find(to);
                assert_eq!(other.name, to);
                assert!(other.handoffs.contains(&agent.name), "{to} cannot hand back to {}", agent.name);
            }
        }
    }

    #[test]
    fn an_unknown_agent_is_the_first() {
        assert_eq!(find("GoneAgent").name, TASK_AGENT);
    }
}
