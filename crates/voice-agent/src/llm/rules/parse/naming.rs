//! Whether what a command is about is on the list.

use super::{Intent, Known, Target};

/// Whether a command names tasks, all of which are on the list.
pub(super) fn names_title(intent: &Intent, known: Known<'_>) -> bool {
    let named = match intent {
        Intent::Complete(targets) | Intent::Delete(targets) => {
            targets.iter().all(|target| matches!(target, Target::Title(_)))
        }
        Intent::Reopen(target)
        | Intent::SetDue(target, _)
        | Intent::SetPriority(target, _)
        | Intent::Shift(target, _) => {
            matches!(target, Target::Title(_))
        }
        _ => false,
    };
    named && names_known(intent, known)
}

/// Whether all tasks of a command are on the list, or are pointed at.
pub(super) fn names_known(intent: &Intent, known: Known<'_>) -> bool {
    let is_known = |target: &Target| match target {
        Target::Title(title) => {
            let lower = title.to_lowercase();
            known.titles.named(&lower.split(' ').collect::<Vec<_>>()).is_some()
        }
        _ => true,
    };
    match intent {
        Intent::Complete(targets) | Intent::Delete(targets) => !targets.is_empty() && targets.iter().all(is_known),
        Intent::Reopen(target)
        | Intent::SetDue(target, _)
        | Intent::SetPriority(target, _)
        | Intent::Shift(target, _)
        | Intent::Untimed(target)
        | Intent::Rename(target, _) => is_known(target),
        _ => false,
    }
}
