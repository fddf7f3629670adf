//! What the caller wants, from the words alone. What "it" or "yes" refers to is found out later (`answer`, `act`).

mod about;
mod add;
mod aside;
mod ask;
mod assent;
mod before;
mod both;
mod change;
mod courtesy;
mod dated;
mod deadline;
mod diary;
mod did;
mod each;
mod elision;
mod fronted;
mod header;
mod howto;
mod join;
mod line;
mod list;
mod many;
mod moved;
mod naming;
mod needed;
mod pair;
mod pick;
mod plan;
mod priority;
mod refer;
mod remark;
mod renaming;
mod reword;
mod rule;
mod shift;
mod small;
mod sound;
mod split;
mod statement;
mod swap;
mod talk;
mod target;
mod tasks;
mod unable;
mod wanted;

use jiff::ZonedDateTime;
use serde_json::{Map, Value};

use super::dates::Due;
use super::normalise::{Utterance, Word};
use super::titles::Titles;

pub(crate) use courtesy::without_courtesies;
pub(crate) use dated::dated_thing;
pub(crate) use howto::Doing;
pub(crate) use join::joined_titles;
pub(crate) use list::filter;
use naming::{names_known, names_title};
pub(crate) use pick::{counts_tasks, pick, whose_one};
pub(crate) use priority::find_priority;
pub(crate) use refer::chain;
pub(crate) use remark::is_remark;
use remark::{before_a_remark, changes_a_task, without_denial};
pub(crate) use shift::{Shift, amount};
pub(crate) use target::{Target, target};
pub(crate) use tasks::new_tasks;

/// How much a task matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Priority {
    Low,
    Normal,
    High,
}

impl Priority {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

/// A task to be added.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NewTask {
    pub(crate) title: String,
    pub(crate) due: Option<Due>,
    pub(crate) priority: Option<Priority>,
}

/// Which tasks a list is about.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Filter {
    pub(crate) status: Option<&'static str>,
    pub(crate) due: Option<String>,
    pub(crate) priority: Option<Priority>,
    pub(crate) query: Option<String>,
}

/// Which one of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pick {
    /// Counted from 0.
    Nth(usize),
    Last,
    /// The one before the last.
    BeforeLast,
    Both,
    All,
    /// Not the one that was spoken of.
    Other,
    /// All of them but the one that was spoken of.
    Others,
}

/// A subject that is answered in a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Talk {
    Hello,
    Thanks,
    Help,
    /// "How do I delete a task?"
    HowTo(Doing),
    HowAreYou,
    Feeling,
    Who,
    Recording,
    Joke,
    Time,
    Date,
    Praise,
    Sorry,
    Apology,
    Love,
    Weather,
    Wait,
    /// "I'll do it now."
    AtIt,
    Hearing,
    OffTopic,
}

/// What is missing from a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Title,
    Date,
    NewTitle,
    Priority,
}

/// What the caller wants.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Intent {
    Add(Vec<NewTask>),
    /// Something to do, without a word that it is to be added.
    Offer(Vec<NewTask>),
    List(Filter),
    Count(Filter),
    /// "When is … due?"
    When(String),
    /// "What's at six?"
    At(Due),
    /// "What day is the first of December?"
    DateOf(Due),
    /// The hour of its due date is taken off, and the day stays.
    Untimed(Target),
    Complete(Vec<Target>),
    Reopen(Target),
    SetDue(Target, Option<Due>),
    /// Its due date is moved on, from what it is.
    Shift(Target, Shift),
    SetPriority(Target, Priority),
    Rename(Target, String),
    Delete(Vec<Target>),
    /// All done tasks, or all tasks; but for these.
    DeleteScope(&'static str, Vec<Target>),
    Undo,
    /// The last so many changes are taken back.
    UndoSome(usize),
    /// What was just taken back is done again.
    Redo,
    /// Two tasks' due dates are exchanged.
    Swap(Vec<Target>),
    /// What sounds like "undo that", or "go back": only that if something has just been changed.
    SoundsLikeUndo,
    /// "Put it back": only what was taken off the list, or finished.
    BringBack,
    /// "Add that", "add it for Wednesday": what was offered, what was not found, or what was just deleted.
    AddThat(Option<Due>),
    /// "What did I just add?"
    Last,
    Review,
    Goodbye,
    Repeat,
    Yes,
    No,
    /// Both yes and no, or "maybe".
    Unsure,
    Cancel,
    More,
    Pick(Vec<Pick>),
    /// "No, I meant …": the words that correct the turn before.
    Correct(Vec<Word>),
    /// A bare date or priority: an answer, or a correction.
    Date(Due),
    Talk(Talk),
    Incomplete(Missing, Box<Intent>),
    /// A call made again, with an answer put in.
    Again(String, Map<String, Value>),
    /// Nothing is to be destroyed, or none of those was meant.
    Kept,
    /// It is not to be destroyed, but something else is to be done.
    Stays,
    /// "Put it back", and there is nothing to put back.
    NothingToBringBack,
    /// No more of that.
    Enough,
    /// Words between commands that are none.
    Missed(String),
    /// Only "um", or nothing.
    Hesitation,
    Unknown,
}

impl Intent {
    /// Whether it is about all tasks at once.
    pub(crate) fn spans_all(&self) -> bool {
        let all = |target: &Target| matches!(target, Target::All(_));
        match self {
            Self::Complete(targets) | Self::Delete(targets) => targets.iter().any(all),
            Self::SetDue(target, _) | Self::SetPriority(target, _) | Self::Shift(target, _) => all(target),
            Self::DeleteScope(..) => true,
            _ => false,
        }
    }

    /// What is to be done with a task that is only pointed at ("make it Friday"), done with this one; nothing of anything else.
    fn of_what_is_pointed_at(self, meant: Target) -> Option<Self> {
        let it = |target: &Target| matches!(target, Target::It | Target::Them);
        Some(match (self, &meant) {
            (Self::When(what), Target::Title(title)) if what == "it" => Self::When(title.clone()),
            (Self::SetDue(target, due), _) if it(&target) => Self::SetDue(meant, due),
            (Self::SetPriority(target, priority), _) if it(&target) => Self::SetPriority(meant, priority),
            (Self::Shift(target, shift), _) if it(&target) => Self::Shift(meant, shift),
            (Self::Rename(target, new), _) if it(&target) => Self::Rename(meant, new),
            (Self::Reopen(target), _) if it(&target) => Self::Reopen(meant),
            (Self::Untimed(target), _) if it(&target) => Self::Untimed(meant),
            (Self::Complete(targets), _) if targets.iter().all(it) => Self::Complete(vec![meant]),
            (Self::Delete(targets), _) if targets.iter().all(it) => Self::Delete(vec![meant]),
            _ => return None,
        })
    }

    /// Whether it is a command of its own, and not an answer to what we asked.
    pub(crate) fn is_command(&self) -> bool {
        !matches!(
            self,
            Self::Yes
                | Self::No
                | Self::Unsure
                | Self::SoundsLikeUndo
                | Self::BringBack
                | Self::Cancel
                | Self::More
                | Self::Pick(_)
                | Self::Correct(_)
                | Self::Date(_)
                | Self::Hesitation
                | Self::Unknown
                | Self::Offer(_)
                | Self::Talk(_)
                | Self::Repeat
                | Self::AddThat(_)
                | Self::Last
                | Self::Missed(_)
        )
    }
}

/// What parsing may know besides the words.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'a> {
    pub(crate) now: &'a ZonedDateTime,
    pub(crate) titles: &'a Titles,
}

/// Most commands in one breath.
const MAX_COMMANDS: usize = 12;

/// Understands what was said: one intent, or several commands in one breath.
pub(crate) fn parse(utterance: &Utterance, known: Known<'_>) -> Vec<Intent> {
    if utterance.is_empty() {
        return vec![Intent::Hesitation];
    }
    // Its "and" is no word that leads to something else.
    if utterance.text == "and do that" {
        return vec![Intent::SoundsLikeUndo];
    }
    let bare = behind_what_leads(utterance, known);
    let utterance = bare.as_ref().unwrap_or(utterance);
    if let Some(headed) = header::parse_headed(utterance, known) {
        return headed;
    }
    if let Some(lines) = line::parse_lines(utterance, known) {
        return lines;
    }
    if let Some(listed) = line::parse_enumerated(utterance, known) {
        return vec![listed];
    }
    if let Some(about) = fronted::parse(utterance, known) {
        return vec![about];
    }
    if let Some(both) = pair::parse(utterance, known) {
        return both;
    }
    let whole = elision::restored(utterance, known);
    let clauses = split::commands(&whole, known);
    if !clauses.is_empty() {
        return clauses;
    }
    if let Some(told) = each::told_each(&whole, known).or_else(|| both::parse(&whole, known)) {
        return told;
    }
    if let Some(told) = aside::all_told_of(&whole, known).or_else(|| split::sentences(&whole, known)) {
        return told;
    }
    if let Some(wanted) = aside::wanted(&whole, known) {
        return vec![wanted];
    }
    if let Some(told) = aside::told_of(&whole, known) {
        return vec![told];
    }
    let one = parse_one(&whole, known);
    // "Bless you, goodbye": courtesies, whatever else their words may do.
    if let Some(talk) =
        matches!(one, Intent::Unknown | Intent::Offer(_)).then(|| small::several_courtesies(&whole)).flatten()
    {
        return vec![talk];
    }
    // "Quick one. Set the register to Friday and make it urgent": no name goes over the end of a sentence.
    let ends = whole.words.split_last().is_some_and(|(_, rest)| rest.iter().any(Word::ends_sentence));
    let set = matches!(one, Intent::SetPriority(..) | Intent::SetDue(..));
    let spans = ends && set && !names_known(&one, known);
    let lost = spans || matches!(one, Intent::Unknown | Intent::Talk(Talk::OffTopic));
    if let Some(some) = lost.then(|| split::partly(&whole, known)).flatten() {
        return some;
    }
    change::each_of(one, known)
}

/// Most leads that are taken off, one behind the other.
const MOST_LEADS: usize = 4;

/// "Well, …", "it's going to rain, so …": the words without what only leads to them; None if nothing does.
fn behind_what_leads(utterance: &Utterance, known: Known<'_>) -> Option<Utterance> {
    let mut bare: Option<Utterance> = None;
    for _ in 0..MOST_LEADS {
        let words = bare.as_ref().unwrap_or(utterance);
        let told = courtesy::behind_a_reason(words);
        let reason =
            || told.filter(|(told, _)| matches!(parse_one(told, known), Intent::Talk(_))).map(|(_, rest)| rest);
        let Some(rest) = courtesy::behind_a_lead(words).or_else(reason) else { break };
        bare = Some(rest);
    }
    bare
}

/// Understands one command.
pub(crate) fn parse_one(utterance: &Utterance, known: Known<'_>) -> Intent {
    if let Some(moved) = shift::instead_of(utterance, known) {
        return moved;
    }
    let utterance = &without_denial(utterance, known);
    if let Some(command) = remark::behind_a_feeling(utterance, known) {
        return command;
    }
    if let Some(told) = howto::parse(utterance).or_else(|| small::parse_whole_talk(utterance)) {
        return told;
    }
    if let Some(known) = small::parse_led_talk(utterance)
        .or_else(|| shift::instead(utterance, known))
        .or_else(|| reword::parse(utterance, known))
        .or_else(|| unable::parse(utterance, known))
    {
        return known;
    }
    let plain = courtesy::asked(without_courtesies(utterance));
    if let Some(moved) = shift::done_then(&plain, known) {
        return moved;
    }
    let first = match parse_exact(&plain, known) {
        Intent::Add(tasks) if remark::only_thinks(utterance) => Intent::Offer(tasks),
        first => first,
    };
    // What would only be offered may be a command about a task on the list, and a remark.
    let remarked = || {
        let clear = |command: &Intent| names_known(command, known) || matches!(command, Intent::Reopen(_));
        before_a_remark(&plain, known).filter(clear).or_else(|| about::parse(&plain, known))
    };
    let loose = matches!(first, Intent::Offer(_) | Intent::Talk(Talk::Weather | Talk::OffTopic));
    if let Some(command) = loose.then(remarked).flatten() {
        return command;
    }
    // "Bin the scarf, I'll never finish it": what follows is no part of the name.
    if changes_a_task(&first)
        && !names_known(&first, known)
        && let Some(command) = before_a_remark(&plain, known).filter(|command| names_known(command, known))
    {
        return command;
    }
    if first != Intent::Unknown {
        return first;
    }
    // "Actually, make it urgent": an interjection in front of a command.
    if plain.words.len() > 2
        && matches!(
            plain.words[0].norm.as_str(),
            "actually" | "no" | "wait" | "sorry" | "oops" | "yes" | "but" | "again"
        )
    {
        let rest = parse_exact(&without_courtesies(&plain.starting_at(1)), known);
        if rest.is_command() {
            return rest;
        }
    }
    if let Some(command) = before_a_remark(&plain, known) {
        return command;
    }
    if small::ends_in_farewell(utterance) {
        return Intent::Goodbye;
    }
    // "Yes please do" is more than its courtesies.
    assent::parse(&utterance.text)
        .or_else(|| about::parse(&plain, known))
        .or_else(|| sound::mended(&plain, known))
        .unwrap_or(Intent::Unknown)
}

fn parse_exact(utterance: &Utterance, known: Known<'_>) -> Intent {
    if utterance.is_empty() {
        return Intent::Hesitation;
    }
    small::parse(utterance, known)
        .or_else(|| (!sound::is_really_said(utterance, known)).then(|| add::parse_marked(utterance, known)).flatten())
        .or_else(|| ask::parse(utterance, known))
        .or_else(|| list::parse(utterance, known))
        .or_else(|| many::parse(utterance, known))
        .or_else(|| heaviest(utterance, known))
        .or_else(|| talk::parse_talk(utterance))
        .or_else(|| add::parse_bare(utterance, known))
        .unwrap_or(Intent::Unknown)
}

/// How sure a reading is. What names a task that is on the list is surer than what would add one, whichever rule found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// A task that is not on the list is told of.
    Guess,
    /// An answer, an offer, or a plan that becomes a task.
    Plan,
    /// A command in so many words.
    Command,
    /// About a task that the words clearly name, or point at.
    Known,
}

/// The surest of what the words may mean; of equals, the one whose rules come first.
fn heaviest(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    type Reading = fn(&Utterance, Known<'_>) -> Option<Intent>;
    let readings: [(Reading, Weight); 5] = [
        (shift::parse, Weight::Command),
        (change::parse, Weight::Command),
        (add::parse_soft, Weight::Plan),
        (dated::parse, Weight::Plan),
        (statement::parse, Weight::Guess),
    ];
    let mut best: Option<(Weight, Intent)> = None;
    for (reading, least) in readings {
        let Some(intent) = reading(utterance, known) else { continue };
        let weight = if names_known(&intent, known) { Weight::Known } else { least };
        if best.as_ref().is_none_or(|(heaviest, _)| weight > *heaviest) {
            best = Some((weight, intent));
        }
        if weight == Weight::Known {
            break;
        }
    }
    best.map(|(_, intent)| intent)
}
