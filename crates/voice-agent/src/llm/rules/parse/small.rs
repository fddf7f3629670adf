//! The small words: yes and no, courtesies, questions about us.

use std::sync::LazyLock;

use super::super::dates;
use super::super::lexicon;
use super::super::normalise::{Utterance, Word};
use super::super::titles::Titles;
use super::rule::{Rule, first_match, rules};
use super::{Intent, Known, Talk};

/// Without "hey", "please", "could you", "thanks" around the rest, unless nothing would be left.
pub(super) fn without_courtesies(utterance: &Utterance) -> Utterance {
    let mut words: &[Word] = &utterance.words;
    while let Some(length) = leading_courtesy(words) {
        words = &words[length..];
    }
    while let Some(length) = trailing_courtesy(words) {
        words = &words[..words.len() - length];
    }
    if words.len() == utterance.words.len() { utterance.clone() } else { Utterance::new(words.to_vec()) }
}

/// "Would you mind marking it as done": the command that is asked for.
pub(super) fn asked(utterance: Utterance) -> Utterance {
    let Some(command) = utterance.words.first().and_then(|word| lexicon::command_of(&word.norm)) else {
        return utterance;
    };
    let mut words = utterance.words;
    command.clone_into(&mut words[0].norm);
    Utterance::new(words)
}

const LEADING: &[&[&str]] = &[
    &["listen"],
    &["look"],
    &["maybe"],
    &["perhaps"],
    &["i", "guess"],
    &["i", "suppose"],
    &["i", "was", "just", "thinking", "that"],
    &["i", "was", "thinking", "that"],
    &["i", "was", "just", "thinking"],
    &["can", "you", "please"],
    &["could", "you", "please"],
    &["would", "you", "please"],
    &["would", "you", "mind"],
    &["do", "you", "mind"],
    &["i'd", "like", "you", "to"],
    &["i", "would", "like", "you", "to"],
    &["i", "want", "you", "to"],
    &["i", "need", "you", "to"],
    &["can", "you"],
    &["could", "you"],
    &["would", "you"],
    &["will", "you"],
    &["can", "we"],
    &["can", "i", "please"],
    &["go", "ahead", "and"],
    &["i", "think"],
    &["you", "can"],
    &["please"],
    &["kindly"],
    &["just"],
    &["hey"],
    &["hi", "there"],
    &["hi"],
    &["hello"],
    &["good", "morning"],
    &["good", "afternoon"],
    &["good", "evening"],
    &["ok"],
    &["okay"],
    &["alright"],
    &["all", "right"],
    &["so"],
    &["well"],
    &["oh"],
    &["now"],
    &["then"],
    &["also"],
    &["and", "then"],
    &["and", "also"],
    &["great"],
    &["let", "me", "know"],
    &["one", "more", "thing"],
    &["there's", "one", "more"],
    &["and", "one", "more", "thing"],
    &["oops"],
    &["it", "would", "be", "great", "if", "you", "could"],
    &["it", "would", "be", "nice", "if", "you", "could"],
    &["it", "would", "be", "good", "if", "you", "could"],
    &["it'd", "be", "great", "if", "you", "could"],
    &["i", "was", "wondering", "if", "you", "could"],
    &["i'd", "appreciate", "it", "if", "you", "could"],
    &["do", "you", "think", "you", "could"],
    &["do", "you", "think", "you", "can"],
    &["is", "it", "possible", "to"],
    &["would", "it", "be", "possible", "to"],
    &["if", "you", "could"],
    &["would", "you", "be", "so", "kind", "as", "to"],
    &["would", "you", "be", "so", "kind", "to"],
    &["be", "so", "kind", "and"],
    &["i", "was", "thinking"],
    &["i've", "been", "thinking"],
    &["i", "wanted", "to"],
    &["i", "just", "wanted", "to"],
    &["i", "just", "remembered", "that"],
    &["i", "just", "remembered"],
    &["i", "realized"],
    &["i", "realised"],
    &["basically"],
    &["anyway"],
    &["by", "the", "way"],
    &["while", "you're", "at", "it"],
    &["please", "note", "that"],
    &["quickly"],
    &["first", "of", "all"],
    &["um"],
    &["like"],
    &["you", "know"],
];

const TRAILING: &[&[&str]] = &[
    &["actually"],
    &["instead"],
    &["please"],
    &["thanks"],
    &["thank", "you"],
    &["will", "you"],
    &["would", "you"],
    &["ok"],
    &["as", "well"],
    &["too"],
    &["then"],
    &["if", "you", "can"],
    &["if", "you", "could"],
    &["if", "possible"],
    &["would", "you", "please"],
];

fn starts_with(words: &[Word], phrase: &[&str]) -> bool {
    words.len() > phrase.len() && phrase.iter().zip(words).all(|(expected, word)| word.norm == *expected)
}

fn leading_courtesy(words: &[Word]) -> Option<usize> {
    if let Some(phrase) = LEADING.iter().find(|phrase| starts_with(words, phrase)) {
        return Some(phrase.len());
    }
    // "Morning! What's due?", "perfect, add milk".
    if let [first, _, ..] = words
        && first.pauses()
        && matches!(
            first.norm.as_str(),
            "morning"
                | "evening"
                | "afternoon"
                | "perfect"
                | "thanks"
                | "cool"
                | "wonderful"
                | "lovely"
                | "nice"
                | "excellent"
                | "brilliant"
                | "fantastic"
                | "awesome"
                | "super"
                | "amazing"
        )
    {
        return Some(1);
    }
    // A plain "yes" or "and" in front only with something longer behind it.
    let [first, second, _, ..] = words else { return None };
    let connecting = matches!(first.norm.as_str(), "yes" | "yeah" | "yep" | "and" | "sure" | "right" | "thank" | "but");
    match (connecting, first.norm.as_str()) {
        (true, "thank") => (second.norm == "you").then_some(2),
        // "and a task to …" is a misheard "add a task to …", and "and milk to my list" another.
        (true, "and") => {
            let listed = words.last().is_some_and(|last| last.norm == "list") && is_thing(&second.norm);
            (!listed && !matches!(second.norm.as_str(), "a" | "an" | "the" | "new")).then_some(1)
        }
        (connecting, _) => connecting.then_some(1),
    }
}

/// Whether the word may begin what is to be put on the list, and is no command or question to us.
fn is_thing(word: &str) -> bool {
    !matches!(
        word,
        "what"
            | "what's"
            | "which"
            | "when"
            | "how"
            | "is"
            | "are"
            | "do"
            | "can"
            | "show"
            | "read"
            | "tell"
            | "give"
            | "list"
            | "go"
            | "open"
            | "check"
            | "clear"
            | "delete"
            | "remove"
            | "empty"
            | "take"
            | "put"
            | "add"
            | "mark"
            | "cross"
            | "complete"
            | "review"
            | "move"
            | "i"
    )
}

fn trailing_courtesy(words: &[Word]) -> Option<usize> {
    // "…, yeah": only behind a pause, because a title may end in such a word.
    if let [.., before, last] = words
        && words.len() > 2
        && before.pauses()
        && matches!(last.norm.as_str(), "yeah" | "yes" | "right" | "okay" | "yep")
    {
        return Some(1);
    }
    TRAILING
        .iter()
        .find(|phrase| {
            words.len() > phrase.len()
                && phrase
                    .iter()
                    .zip(&words[words.len() - phrase.len()..])
                    .all(|(expected, word)| word.norm == *expected)
        })
        .map(|phrase| phrase.len())
}

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    rules(&[
        (
            r"(?:yes|yeah|yep|yup|yah|ya|sure|sure thing|of course|certainly|absolutely|definitely|correct|right|exactly|ok|okay|fine|go ahead|do it|do that|please do|please|that's right|that's correct|that's the one|why not|i do|i am|i'm sure|sounds good|confirm|confirmed|affirmative|yes i'm sure|yes i am sure|yes delete it|go for it|you bet|alright|very well)(?: (?:yes|please|do it|do that|go ahead|do|sure|thanks|thank you|that's right|that one|i'm sure|i am|delete it|delete them|add it|add that|add them|anyway|anyhow|add another one|you can|it is|yeah|remove it|mark it))*",
            |_| Some(Intent::Yes),
        ),
        (
            r"(?:no|nope|nah|know|naw|no no|not that|negative|don't|do not|please don't|don't do that|don't do it|i don't think so|not really|not now|no way|better not|rather not|neither|none|none of them|none of those|neither of them|keep it|keep them|no that's wrong|that's wrong|wrong)(?: (?:no|thanks|thank you|please|don't|leave it|keep it|not now|it's fine|don't delete it|don't do that|not that one|that's fine|that's okay|keep them|neither|wait))*",
            |_| Some(Intent::No),
        ),
        (
            r"(?:(?:no |oh |actually )*(?:never ?mind|nevermind|never mine|that's enough|enough|that will do|that'll do|cancel|cancel that|cancel it|forget it|forget about it|forget that|leave it|leave that|skip it|drop it|abort|let it be|stop|stop it|stop that|stop talking|be quiet|quiet|that's fine|it's fine|it's okay|doesn't matter|it doesn't matter|nothing|no nothing|wait no|no wait|scratch that))(?: (?:thanks|thank you|then|please|for now|that will do|that'll do|that's enough|enough))*",
            |_| Some(Intent::Cancel),
        ),
        (
            r"(?:go on|keep going|continue|carry on|more|next|next ones|tell me more|and then|what else|the rest|read the rest|read on|show me more|and the rest|the others|what about the rest|go on please|the next ones?|read more|yes go on|what are the others|what are they|what are those|which ones|which ones are they|which are they|which tasks|like what|is there (?:anything|something|any) (?:else|more)|anything else|any more)",
            |_| Some(Intent::More),
        ),
        (
            r"(?:(?:please |can you |could you |sorry |(?:i )?(?:didn't|did not|couldn't) (?:hear|catch|get|understand) (?:you|that|it) |i didn't |i did not |i missed that )*(?:what was that|what did you say|say that again|say it again|repeat that|repeat|repeat it|come again|pardon|pardon me|excuse me|what|sorry|once more|one more time|i didn't catch that|catch that|hear that|hear you|i didn't get that|didn't hear you|i missed that|what was it|huh|again))(?: (?:(?:i )?(?:didn't|did not|couldn't) (?:hear|catch|get|understand) (?:you|that|it)|again|please|once more|one more time|sorry|me|what was that|what))*",
            |_| Some(Intent::Repeat),
        ),
        // In so many words.
        (
            r"(?:(?:no|oh|oh no|sorry|oops|whoops|actually|wait|okay|never mind) )*(?:undo|undue|undo it|undo that|undo this|undue that|undo the last (?:one|thing|change|action|step)|undo last|undo the (?:other (?:one|thing|change)|one before(?: that)?|previous one)|undo my last (?:change|action)|un do that|i'd undo that|revert|revert that|take that back|take it back|roll that back|reverse that|that was a mistake|that was wrong|i made a mistake|i didn't mean that|i didn't mean to do that|i undo that|undo what you did|undo what i did|oops undo that|change it back)(?: (?:please|again|change|action|one|too|that|it|put it back|put that back|undo it|undo that|take it back|change it back|undo))*",
            |_| Some(Intent::Undo),
        ),
        (
            r"(?:(?:no|oh|oh no|sorry|oops|actually) )*(?:put (?:it|that|them) back(?: on(?: my| the)? list)?|bring (?:it|that|them) back|(?:add|get) (?:it|that) back|restore (?:it|that)|i need (?:that|it) back|i want (?:that|it) back)(?: (?:please|again|then))*",
            |_| Some(Intent::BringBack),
        ),
        (
            r"(?:redo|re do|do it again after all|undo the undo|undo (?:your|my|that) undo)(?: (?:it|that|this|please|the last (?:one|change)|again))*",
            |_| Some(Intent::Redo),
        ),
        // By sound, or as one says it only of what has just happened.
        (
            r"(?:(?:no|oh|oh no|sorry) )*(?:and do|on do|under|and do that|on do that|under that|i knew that|i knew it|i new that|a new that|i know that|undo bat|undo dad|undo hat|undo cat|undo (?:[a-z]{2,4})|and you that|and you|on to that|go back|oops|whoops)(?: (?:please|again|too|that|it))*",
            |_| Some(Intent::SoundsLikeUndo),
        ),
        (
            r"(?:let's |let us |i want to |i'd like to |i would like to |can we |we should |shall we |help me |help me to |start |begin |do |start to |time to |i need to )*(?:a |my |the )?(?:review|re view|go through|walk through|run through|look through|step through|work through|go over|reviewing|go threw|take me through|walk me through)(?: (?:(?:all|each)(?: of)?|with me))?(?: (?:my|the|our|these|those|open|remaining|everything|them|all))*(?: (?:tasks?|list|to-?dos?|to-do list|task list|to do list|items|open tasks))?(?: (?:that's|that is|that are|which is)(?: still)? (?:open|left|due|on (?:my|the) list|there))?(?: (?:one by one|one at a time|together|with me|now|review|again|please))*",
            |found| {
                // "review the proposal" is a task; "review", "review my tasks" is not.
                let _ = found;
                Some(Intent::Review)
            },
        ),
        (
            r"what (?:did|have) (?:i|you|we) (?:just )?(?:add|added|change|changed)(?: just now| last)?|what did (?:i|you|we) just (?:add|change|do)|what(?:'s| was| is) the (?:last|latest|newest) (?:thing|task|one|item)(?: (?:that )?(?:i|you|we) (?:just )?(?:added|changed|did))?|what was that task(?: again)?",
            |_| Some(Intent::Last),
        ),
        (
            r"(?:let's |let us |start |do |begin |can we do )+(?:a |the |my )?(?:task |list |daily |weekly |quick )*review",
            |_| Some(Intent::Review),
        ),
        (
            r"(?:(?:good ?bye|bye|bye bye|buy buy|by by|good by|good buy|see you|see ya|see you (?:later|soon|tomorrow|around)|talk to you (?:later|soon|tomorrow)|hang up|end (?:the |this )?(?:call|conversation|session)|that's all|that is all|that's it|that's everything|that'll be all|that will be all|i'm done|i am done|we're done|we are done|i'm finished|nothing else|no that's (?:all|it|everything)|good night|goodnight|i have to go|i've got to go|i need to go|i gotta go|gotta go|i have to run|have a (?:good|nice|great) (?:day|one|evening|night|weekend)|quit|exit|ciao|cheerio|take care|see you then)(?: (?:for now|for today|thanks|thank you|now|then|bye|goodbye|bye bye|have a (?:good|nice|great) (?:day|one|evening|night|weekend)|see you|later|and|very much|so much|that's all|talk to you later|good night))*)",
            |_| Some(Intent::Goodbye),
        ),
        (
            r"(?:thank|thanks|okay|ok|great|perfect|alright|no|cool|well|that's|awesome|nice|good|excellent|for|very)\b.{0,60} (?:good ?bye|bye|bye bye|see you (?:later|tomorrow|soon))",
            |_| Some(Intent::Goodbye),
        ),
        (
            r"(?:thank you|thanks|thank you very much|thanks a lot) (?:and |that's all |that is all |that's it |that was all |that'll be all |for your help )*(?:good ?bye|bye|bye bye|that's all|that is all|that'll be all|see you|have a (?:good|nice|great) day|that's it)",
            |_| Some(Intent::Goodbye),
        ),
        (
            r"(?:(?:no|nope|sorry|wait|actually|oh|not that|hang on)(?: no| sorry| wait| actually)* )?(?:i (?:meant|mean|said|was talking about|wanted|want)|that should be|that should say|it should be|it should say|should be|not .+ but|i meant to say) (?P<what>.+)",
            |found| {
                let what = found.words("what").to_vec();
                let first = found.text("what").split(' ').next().unwrap_or_default();
                // "I want to …" and "it's done" are no corrections.
                let other = matches!(
                    first,
                    "to" | "done"
                        | "finished"
                        | "a"
                        | "my"
                        | "you"
                        | "the"
                        | "urgent"
                        | "complete"
                        | "completed"
                        | "not"
                );
                // "I meant the goats" corrects; "I want the goats" does not.
                let meant = ["meant ", "mean "].iter().any(|word| found.utterance_text().contains(word));
                let named = matches!(first, "a" | "my" | "the") && meant;
                (!other || named).then_some(Intent::Correct(what))
            },
        ),
        // "It's Friday": what else it is corrects nothing ("it's at the school").
        (
            r"(?:(?:no|nope|sorry|wait|actually|oh|not that|hang on)(?: no| sorry| wait| actually)* )?(?:it was|it's|it is) (?P<what>.+)",
            |found| {
                let words = found.words("what").to_vec();
                let norms: Vec<&str> = words.iter().map(|word| word.norm.as_str()).collect();
                let means =
                    dates::parse(&norms, found.known.now).is_some() || found.known.titles.named(&norms).is_some();
                (means && !matches!(norms[0], "done" | "finished" | "complete")).then_some(Intent::Correct(words))
            },
        ),
        // "No, undo that, I meant the pears": what is corrected is taken back.
        (
            r"(?:(?:no|oh|oh no|sorry|oops|wait|actually) )*(?:undo (?:it|that|this)|take (?:it|that) back) (?:because |since )?i (?:meant|mean|said|wanted) (?P<what>.+)",
            |found| Some(Intent::Correct(found.words("what").to_vec())),
        ),
        // "No, not the milk, call John", "not today, tomorrow": the pause divides them.
        (r"(?:(?:no|sorry|nope|wait) )*not (?P<w>.+)", |found| {
            let words = found.words("w");
            let pause = words.iter().position(Word::pauses)?;
            let what = &words[pause + 1..];
            let what = if matches!(what.first()?.norm.as_str(), "but" | "no") { &what[1..] } else { what };
            (!what.is_empty()).then(|| Intent::Correct(what.to_vec()))
        }),
        (
            r"(?:no|nope|wait|actually|sorry|oh)(?: no| sorry| wait| actually)* (?:make|make it|move|change) (?:it|that one|that|this one|this) (?:to |for |on )?(?P<what>.+)",
            |found| Some(Intent::Correct(found.words("what").to_vec())),
        ),
        (
            r"(?:no|nope|not that|wait|actually|sorry)(?: no| sorry| wait| actually)* (?:i (?:meant|mean|said|was talking about) )?(?P<what>(?:the|my) .+)",
            |found| Some(Intent::Correct(found.words("what").to_vec())),
        ),
        (r"(?:no|actually|sorry|wait|rather)(?: no| sorry| wait| actually)* (?P<what>.+)", |found| {
            let words = found.words("what");
            let norms: Vec<&str> = words.iter().map(|word| word.norm.as_str()).collect();
            dates::parse(&norms, found.known.now).map(|_| Intent::Correct(words.to_vec()))
        }),
    ])
});

/// Small talk that its first words do not make a courtesy: "hi there", "can you hear me".
pub(super) fn parse_whole_talk(utterance: &Utterance) -> Option<Intent> {
    let talk = parse_talk(utterance)?;
    // These are looked for anywhere in a sentence, and come after the commands that may contain them.
    let loose = matches!(talk, Intent::Talk(Talk::OffTopic | Talk::Recording | Talk::Weather));
    (!loose && utterance.words.len() <= 8).then_some(talk)
}

/// Small talk behind the courtesies that lead to it: "okay great, thank you so much".
pub(super) fn parse_led_talk(utterance: &Utterance) -> Option<Intent> {
    let mut words: &[Word] = &utterance.words;
    while let Some(length) = leading_courtesy(words) {
        words = &words[length..];
        if let Some(talk) = parse_whole_talk(&Utterance::new(words.to_vec())) {
            return Some(talk);
        }
    }
    None
}

/// Answers, farewells and the like.
pub(super) fn parse(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    if let Some(picks) = super::pick(&utterance.text) {
        return Some(Intent::Pick(picks));
    }
    first_match(&RULES, utterance, known).or_else(|| super::assent::parse(&utterance.text))
}

static TALK: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    rules(&[
        (
            r"(?:hello|hi|hey|hello there|hi there|hey there|good (?:morning|afternoon|evening)|howdy|greetings|yo|hallo|hullo)(?: (?:there|agent|again|you|assistant|hello))*",
            |_| Some(Intent::Talk(Talk::Hello)),
        ),
        (
            r"(?:thanks|thank you|thank you very much|thanks a lot|thank you so much|many thanks|cheers|much appreciated|i appreciate it|thanks for (?:that|your help|the help)|thank you for .+)(?: (?:thanks|thank you|so much|very much|again))*",
            |_| Some(Intent::Talk(Talk::Thanks)),
        ),
        (
            r"(?:help|help me|i need help|i need some help|what can (?:you|i) (?:do|say|ask)(?: here)?|what do you do|how does (?:this|it) work|how do (?:i|you) (?:use (?:this|it|you)|work|add a task|do this)|what are my options|what (?:commands|things) .+|how can you help(?: me)?|what can i say to you|options|instructions|who can help|can you help me|i don't know what to (?:say|do)|what now|what should i (?:say|do)|what else can (?:you|i) (?:do|say))(?: (?:please|me|here|now|exactly|for (?:me|us)|to help(?: me)?|to you|with (?:you|this)))*",
            |_| Some(Intent::Talk(Talk::Help)),
        ),
        (
            r"(?:how are you|how are you doing|how's it going|how is it going|what's up|how do you do|are you okay|how have you been|how you doing)(?: .*)?",
            |_| Some(Intent::Talk(Talk::HowAreYou)),
        ),
        (
            r"(?:tell me (?:something )?about you(?:rself)?|who are you|what are you|what's your name|what is your name|are you (?:a )?(?:human|robot|real|real person|person|machine|bot|an ai|ai|alive|chat ?gpt|computer|siri|alexa)|who am i (?:talking|speaking) to|who is this|who made you|do you have a name|is this a (?:robot|human|real person))(?: .*)?",
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
            r"(?:do you know )?(?:what time is it|what's the time|what is the time|what time it is|the time)(?: .*)?",
            |_| Some(Intent::Talk(Talk::Time)),
        ),
        (
            r"(?:do you know )?what(?:'s| is)? (?:(?:the |today's )?date(?: is it)?(?: today)?|day is (?:it|today)(?: today)?|day it is|today's date|today)",
            |_| Some(Intent::Talk(Talk::Date)),
        ),
        (
            r"(?:(?:that's |that is |it's |you're |you are |that was |this is |sounds |looks )?(?:so |very |really |pretty |just )?(?:great|good|perfect|awesome|cool|nice|excellent|wonderful|amazing|fantastic|brilliant|lovely|super|the best|helpful|smart|very nice|neat|fine|impressive|good to know|good job|great job|well done|good work|nice work|right on|wow|interesting))(?: (?:job|work|thanks|thank you|one|to know|stuff|you|now))*|(?:i see|got it|understood|all good|gotcha|makes sense|fair enough|i know|okay then|ok then|alright then)",
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
            r"(?:can you hear me|do you hear me|are you (?:still )?there|hello are you there|is anyone there|is anybody there|testing|test|testing testing|can you hear me now|hello can you hear me|you there|are you listening|test test|one two three)(?: now| me| please| test| there| okay| hello)*",
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
    static NOW: LazyLock<jiff::ZonedDateTime> =
        LazyLock::new(|| jiff::Timestamp::UNIX_EPOCH.to_zoned_datetime(jiff::tz::TimeZone::UTC));
    first_match(&TALK, utterance, Known { now: &NOW, titles: Titles::NONE })
}
