//! Small talk: what is answered in a sentence and led back.

use std::sync::LazyLock;

use super::super::normalise::{Utterance, Word};
use super::super::titles::Titles;
use super::rule::{Rule, first_match, rules};
use super::{Intent, Known, Talk};

/// Courtesies name no dates: any time will do.
pub(super) static NOW: LazyLock<jiff::ZonedDateTime> =
    LazyLock::new(|| jiff::Timestamp::UNIX_EPOCH.to_zoned_datetime(jiff::tz::TimeZone::UTC));

/// Who does a task now has not done it yet, and puts it off to no day.
const AT_IT: &str = r"(?:(?:ok|okay|right|then|so|good|well|oh) )*(?:i'm|i am|we're|we are|i'll|i will|we'll|we will) (?:just |quickly |gonna |going to )*(?:do|doing|pay|paying|call|calling|write|writing|send|sending|fix|fixing|clean|cleaning|wash|washing|water|watering|make|making|buy|buying|book|booking|order|ordering|finish|finishing|feed|feeding|ring|ringing|email|emailing|take|taking|get|getting|read|reading|sign|signing|post|posting|check|checking) (?:it|that|this|them|him|her|that one|this one|the other one)(?: right| just)? (?:now|right away|straight away|immediately|this minute)(?: then| actually)?";

static TALK: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    rules(&[
        (AT_IT, |_| Some(Intent::Talk(Talk::AtIt))),
        (
            r"(?:hello|hi|hey|hello there|hi there|hey there|good (?:morning|afternoon|evening)|howdy|greetings|yo|hallo|hullo)(?: (?:there|agent|again|you|assistant|hello))*",
            |_| Some(Intent::Talk(Talk::Hello)),
        ),
        (
            r"(?:thanks|thank you|thank you very much|thanks a lot|thanks a million|thanks a bunch|thanks so much|thank you so much|thank you kindly|thanks ever so much|many thanks|cheers|much appreciated|i appreciate it|bless you|god bless|you're a (?:star|lifesaver|gem|legend|treasure)|thanks for (?:that|your help|the help)|thank you for .+)(?: (?:thanks|thank you|so much|very much|again))*",
            |_| Some(Intent::Talk(Talk::Thanks)),
        ),
        (
            r"(?:help|help me|i (?:don't|do not) know (?:how (?:this|it|you) works?|what to (?:say|do)|how to use (?:this|it))|i need help|i need some help|what can (?:you|i) (?:do|say|ask)(?: here)?|what do you do|how does (?:this|it) work|how do (?:i|you) (?:use (?:this|it|you)|work|add a task|do this)|what are my options|what (?:commands|things|(?:kinds?|sorts?) of (?:things|commands|stuff)) .+|how can you help(?: me)?|what can i say to you|options|instructions|how (?:do|can|would|should) (?:i|you|we) (?:add|remove|delete|change|move|mark|complete|finish|undo|rename|list|see|cross off)(?: [a-z]+){0,4}|who can help|(?:can|could|will) you help me(?: (?:organi[sz]e|plan|manage|with|keep) .+)?|i don't know what to (?:say|do)|what now|what should i (?:say|do)|what else can (?:you|i) (?:do|say))(?: (?:please|me|here|now|exactly|for (?:me|us)|to help(?: me)?|to you|with (?:you|this)))*",
            |_| Some(Intent::Talk(Talk::Help)),
        ),
        (
            r"(?:how are you|how are you doing|how are we|how are we doing|how goes it|how's life|how are things|how's tricks|how's it hanging|how was your day|how's your day|you alright|you all right|you ok|how's it going|how is it going|what's up|how do you do|are you okay|how have you been|how you doing)(?: .*)?",
            |_| Some(Intent::Talk(Talk::HowAreYou)),
        ),
        (
            r"(?:tell me (?:something )?about you(?:rself)?|who are you|what are you|what's your name|what is your name|are you (?:a )?(?:human|robot|real|real person|person|machine|bot|an ai|ai|alive|chat ?gpt|computer|siri|alexa)|who am i (?:talking|speaking) to|am i (?:talking|speaking) to (?:a |an )?(?:real |actual )?(?:person|human|human being|robot|machine|computer|bot)|who is this|who made you|do you have a name|is this a (?:robot|human|real person))(?: .*)?",
            |_| Some(Intent::Talk(Talk::Who)),
        ),
        (r".*\b(?:recording|recorded|record) ?(?:me|this|us|the call|this call)?(?: right)?(?: now)?", |_| {
            Some(Intent::Talk(Talk::Recording))
        }),
        (r".*\b(?:being recorded|stop recording|is this (?:call )?recorded|recording)\b.*", |_| {
            Some(Intent::Talk(Talk::Recording))
        }),
        (
            r"(?:tell|sing|say|read) (?:me |us )?(?:a |another |some )?(?:joke|jokes|story|song|poem|something funny|something).*|make me laugh|sing.*",
            |_| Some(Intent::Talk(Talk::Joke)),
        ),
        (
            r"(?:do you know )?(?:what time is it|what's the time|what is the time|what time it is|the time)(?: (?:now|please|there|in|over|right|exactly|today|by|at your|where).*)?",
            |_| Some(Intent::Talk(Talk::Time)),
        ),
        (
            r"(?:do you know )?what(?:'s| is)? (?:(?:the |today's )?date(?: is it)?(?: today)?|day is (?:it|today)(?: today)?|day it is|today's date|today)",
            |_| Some(Intent::Talk(Talk::Date)),
        ),
        (
            r"(?:(?:that's |that is |it's |you're |you are |that was |this is |sounds |looks )?(?:so |very |really |pretty |just )?(?:great|good|perfect|awesome|cool|nice|excellent|wonderful|amazing|fantastic|brilliant|lovely|super|the best|helpful|smart|very nice|neat|fine|impressive|good to know|lol|haha|hehe|good job|great job|well done|good work|nice work|right on|wow|interesting))(?: (?:job|work|thanks|thank you|one|to know|stuff|you|now))*|spot on|you(?:'ve| have) been (?:so |very |really |most )?(?:helpful|great|kind|brilliant|wonderful|a (?:great |big )?help)|(?:i see|got it|understood|all good|gotcha|makes sense|fair enough|i know|okay then|ok then|alright then)",
            |_| Some(Intent::Talk(Talk::Praise)),
        ),
        (
            r"(?:you're |you are |this is |that's |it's |you )?(?:so |really |very |such |just |a )*(?:stupid|useless|dumb|terrible|awful|bad|annoying|wrong again|suck|sucks|rubbish|an idiot|idiot|shit|crap|not helpful|not working|hopeless)(?: .*)?|(?:this |it )?(?:doesn't|does not|isn't|is not) (?:work|working)|you (?:don't|do not|didn't) understand(?: me)?|that's not what i (?:said|meant|wanted)|(?:fuck|damn|shut up).*|i hate you.*|i'm (?:angry|frustrated|annoyed).*",
            |_| Some(Intent::Talk(Talk::Sorry)),
        ),
        (r"i (?:love|like) (?:you|this|it|that)(?: .*)?|will you marry me|you're (?:sweet|funny|cute|kind).*", |_| {
            Some(Intent::Talk(Talk::Love))
        }),
        (r".*\b(?:weather|rain|raining|snow|sunny|temperature|forecast)\b.*", |_| Some(Intent::Talk(Talk::Weather))),
        (
            r"(?:sorry |okay |ok |oh )*(?:wait|hold on|hang on|hang on a (?:sec|second|minute|moment)|hang on one (?:sec|second|minute|moment)|bear with me|where was i|where were we|i'm back|one moment|just a moment|one second|just a second|a moment|give me a (?:second|moment|minute|sec)|wait a (?:second|moment|minute|sec)|one sec|hold on a (?:second|minute|sec)|let me think|let me see|i'm thinking)(?: please| for a (?:second|moment|minute)| about it| a (?:second|moment|minute)| let me think)*",
            |_| Some(Intent::Talk(Talk::Wait)),
        ),
        (
            r"(?:oh |so |i'm |i am )*(?:sorry|apologies|my apologies)(?: love| dear| mate)?(?: (?:about|for) (?:that|this|it|all that|(?:the|that|this|all the|my) [a-z]+|keeping you|shouting|interrupting|the (?:noise|wait|delay|mess|confusion)))(?: (?:there|earlier|just now|love))?|(?:oh |so )*(?:sorry|apologies) (?:love|dear|mate|darling)",
            |_| Some(Intent::Talk(Talk::Apology)),
        ),
        (
            r"(?:hang on|hold on|bear with me) (?:i'm (?:in|at|on|not|driving|busy|just)|someone's|somebody's|there's|the (?:phone|door|bell|doorbell|kids|baby|dog)|my (?:phone|boss|dog|mum|mom)) ?.*",
            |_| Some(Intent::Talk(Talk::Wait)),
        ),
        (
            r"(?:can you hear me|do you hear me|are you (?:still )?there|hello are you there|is anyone there|is anybody there|testing|test|testing testing|can you hear me now|hello can you hear me|you there|are you listening|test test|one two three|(?:i was |i'm |i am )?(?:just|only) (?:testing|kidding|trying (?:this|you|it) out|checking)(?: you| this| it)?)(?: now| me| please| test| there| okay| hello)*",
            |_| Some(Intent::Talk(Talk::Hearing)),
        ),
        (
            r"(?:who|what|where|why|how|when|which) (?:is|are|was|were|do|does|did|can|should|would|will|many|much|old|far|tall|long|won|invented|wrote)\b.*|(?:what's|who's|where's|how's|why's) .+|(?:do|did|are|is|will|should|would|could) (?:you|i|we|it|there) .+",
            |_| Some(Intent::Talk(Talk::OffTopic)),
        ),
        (
            r"i(?:'ve| have)(?: got)? (?:a lot|so much|too much|a ton|loads|plenty|lots|a busy) .*|(?:i'm|i am|i feel|i'm feeling) (?:so |very |really |a bit |a little |just |kind of )*(?:tired|bored|sad|happy|stressed|sick|hungry|busy|exhausted|overwhelmed|lonely|good|fine|okay|great|well)(?: .*)?",
            |_| Some(Intent::Talk(Talk::Feeling)),
        ),
    ])
});

/// Small talk, and questions that are not about tasks.
pub(super) fn parse_talk(utterance: &Utterance) -> Option<Intent> {
    let talk = first_match(&TALK, utterance, Known { now: &NOW, titles: Titles::NONE })?;
    // "You're funny. Add laugh more": what follows a sentence may be a command.
    let goes_on = utterance.words.split_last().is_some_and(|(_, rest)| rest.iter().any(Word::ends_sentence));
    let swallows = goes_on
        && matches!(talk, Intent::Talk(Talk::Love | Talk::HowAreYou | Talk::Sorry | Talk::Feeling | Talk::Weather));
    (!swallows).then_some(talk)
}
