//! The small words: yes and no, courtesies, questions about us.

use std::sync::LazyLock;

use super::super::dates;
use super::super::normalise::{Utterance, Word, end_in_question};
use super::super::titles::Titles;
use super::courtesy::leading_courtesy;
use super::rule::{Match, Rule, first_match, rules};
use super::talk::{NOW, parse_talk};
use super::{Filter, Intent, Known, Talk};

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    rules(&[
        (
            r"(?:yes|yeah|yep|yup|yah|ya|ye|yea|yeh|yas|yass|yes yes|y|k|kk|mhm|aye|aye aye|indeed|by all means|go on then|yep go on|yes go on|please go ahead|you may|do so|of course yes|ok do it|yes do|oh yes|oh yeah|absolutely yes|too right|hell yes|hell yeah|for sure|sure|sure thing|of course|certainly|absolutely|definitely|correct|right|exactly|ok|okay|fine|go ahead|do it|do that|please do|please|that's right|that's correct|that's the one|why not|i do|i am|i'm sure|sounds good|confirm|confirmed|affirmative|yes i'm sure|yes i am sure|yes delete it|go for it|you bet|alright|very well)(?: (?:yes|please|do it|do that|go ahead|do|sure|thanks|thank you|that's right|that one|i'm sure|i am|delete it|delete them|add it|add that|add them|anyway|anyhow|add another one|you can|it is|yeah|remove it|mark it|both|both of them|all|all of them|them all|all of it|all three|everything|every one|every one of them|(?:delete|remove|clear|erase) (?:everything|all of them|them all|it all|both|both of them|all)))*",
            |_| Some(Intent::Yes),
        ),
        (
            r"(?:no|nope|nah|n|nay|no no no|nuh uh|god no|heavens no|hell no|oh no don't|know|naw|no no|not that|negative|don't|do not|please don't|don't do that|don't do it|i don't think so|not really|not now|no way|better not|rather not|neither|none|none of them|none of those|neither of them|keep it|keep them|leave it (?:on there|there|on|on the list|on my list|as it is)|no that's wrong|that's wrong|wrong)(?: (?:no|thanks|thank you|please|don't|leave it|keep it|not now|it's fine|don't delete it|don't do that|not that one|that's fine|that's okay|keep them|neither|wait))*",
            |_| Some(Intent::No),
        ),
        (
            r"(?:(?:no |oh |actually )*(?:never ?mind|nevermind|nvm|never mine|that's enough|enough|that will do|that'll do|cancel|cancel that|cancel it|forget it|forget about it|forget that|leave it|leave that|skip it|drop it|abort|let it be|stop|stop it|stop that|stop talking|be quiet|quiet|that's fine|it's fine|it's okay|doesn't matter|it doesn't matter|nothing|no nothing|wait no|no wait|scratch that|scratch it|strike that))(?: (?:thanks|thank you|then|please|for now|that will do|that'll do|that's enough|enough))*",
            |_| Some(Intent::Cancel),
        ),
        // "Don't delete anything."
        (
            r"(?:no |please |oh |wait )*(?:don't|do not|never) (?:delete|remove|change|touch|add|do|move|mark|cancel|erase) (?:anything|any of (?:it|them|those|that)|everything|it all|them all|nothing)(?: yet| please| for now)*",
            |_| Some(Intent::Kept),
        ),
        (
            r"(?:(?:so|and|hey|do you know|can you tell me|tell me) )*(?:what's|what is|what will|how's|how is|how will|is it|is it going|will it|will there|does it|is there)\b.*\b(?:weather|forecast|rain|raining|snow|snowing|sunny|temperature)\b(?: .*)?",
            |found| {
                let listed =
                    found.all_words().iter().any(|word| matches!(word.norm.as_str(), "list" | "task" | "tasks"));
                (!listed).then_some(Intent::Talk(Talk::Weather))
            },
        ),
        (
            r"(?:go on|keep going|continue|carry on|more|next|next ones|tell me more|and then|what else|the rest|read the rest|read on|show me more|and the rest|the others|what about the rest|go on please|the next ones?|read more|yes go on|what are the others|what are they|what are those|what is it|what's it|which (?:one|task) is it|which ones|which ones are they|which are they|which tasks|like what|is there (?:anything|something|any) (?:else|more)|anything else|any more)",
            |_| Some(Intent::More),
        ),
        (
            r"(?:(?:please |can you |could you |sorry |(?:i )?(?:didn't|did not|couldn't) (?:hear|catch|get|understand) (?:you|that|it) |i didn't |i did not |i missed that )*(?:what was that|what did you say|(?:say|tell me|give me|read) (?:that|it|them|those) (?:again|once more|one more time)|repeat that|repeat|repeat it|come again|pardon|pardon me|excuse me|what|sorry|once more|one more time|i didn't catch that|catch that|hear that|hear you|i didn't get that|didn't hear you|i missed that|what was it|huh|again))(?: (?:(?:i )?(?:didn't|did not|couldn't) (?:hear|catch|get|understand) (?:you|that|it)|again|please|once more|one more time|sorry|me|what was that|what))*",
            |_| Some(Intent::Repeat),
        ),
        // "Sorry, the kettle was boiling, I didn't catch what you said."
        (
            r"(?:(?:sorry|oh|wait|hang on|pardon) )?(?:.+ )?i (?:didn't|did not|couldn't|can't) (?:quite )?(?:catch|hear|get|make out) (?:what you (?:just )?said|a word(?: of that)?|all of that|the last (?:bit|part))(?: there)?",
            |_| Some(Intent::Repeat),
        ),
        (
            r"(?:no |oh |please )*(?:undo|revert|take back|reverse) (?:the |my )?(?:last |past |previous )?(?P<n>two|three|four|five|[2-5]|both)(?: (?:things|changes|actions|ones|steps|of (?:them|those)|of those changes))?(?: please)?",
            |found| {
                let count = match found.text("n") {
                    "three" | "3" => 3,
                    "four" | "4" => 4,
                    "five" | "5" => 5,
                    _ => 2,
                };
                Some(Intent::UndoSome(count))
            },
        ),
        (
            r"(?:(?:no|oh|please|just|only) )*(?:undo|revert|take back|reverse) (?:only |just )?(?:the|my|that|this) (?:very )?last (?:one|thing|change|action|step|bit|part|command)(?: please| again)?",
            |_| Some(Intent::UndoSome(1)),
        ),
        // In so many words.
        (
            r"(?:(?:no|oh|oh no|sorry|oops|whoops|actually|wait|okay|never mind) )*(?:undo|undue|undo it|undo that|undo this|undue that|undo the last (?:one|thing|change|action|step)|undo the (?:deletion|addition|change|move|renaming)|undo last|undo the (?:other (?:one|thing|change)|one before(?: that)?|previous one)|undo my last (?:change|action)|un do that|i'd undo that|revert|revert that|take that back|take it back|roll that back|reverse that|that was a mistake|(?:that was|that's|it was) the wrong (?:one|task)|that was wrong|i made a mistake|i didn't mean that|i didn't mean to do that|i undo that|undo what you did|undo what i did|oops undo that|(?:change|swap|switch) (?:it|them|that|those) back|(?:put|set|change|move) (?:it|them|that|those)(?: back)? (?:the way|how|to how|to where|to what|where|as|like) (?:it|they|that) (?:was|were)(?: before)?)(?: (?:please|again|change|action|one|too|that|it|put it back|put that back|undo it|undo that|take it back|change it back|undo))*",
            |_| Some(Intent::Undo),
        ),
        (
            r"(?:(?:no|oh|oh no|sorry|oops|actually|wait|(?:that|it) was (?:the wrong (?:one|task)|a mistake|wrong)|(?:the )?wrong (?:one|task)|i (?:do |still |do still |still do )?(?:need|want) (?:that one|that|it|them|those|one)|oh dear) )*(?:put (?:it|that|them) back(?: on(?: my| the)? list)?|bring (?:it|that|them) back|(?:add|get) (?:it|that) back|restore (?:it|that)|i'd like (?:it|that|them) back|(?:can|could|may) i have (?:it|that|them) back|give (?:it|that|them) back|i need (?:that|it) back|i want (?:that|it) back|i (?:do|do still|still|still do) (?:need|want) (?:it|that|them)(?: after all)?)(?: (?:please|again|then))*",
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
            r"what (?:did|have) i (?:just )?(?:ask|asked|tell|told|want|wanted) you to (?:add|put|note|write|jot|remember)(?: down| on (?:my|the) list)?(?: just now| again)?|what (?:did|have) (?:i|you|we) (?:just )?(?:add|added|change|changed)(?: just now| last)?|what did (?:i|you|we) just (?:add|change|do|say)|did (?:that|it) work|what(?:'s| was| is) the (?:last|latest|newest) (?:thing|task|one|item)(?: (?:that )?(?:i|you|we) (?:just )?(?:added|changed|did))?|what was that task(?: again)?|what (?:did|have) you (?:just )?(?:write|written|note|noted|put|jot|save|saved|take|taken|got|get)(?: down)?(?: now| there| just now)?|what(?:'s| is| was) (?:it|that|this)(?: task| one)? (?:called|named)(?: now| again)?|what(?:'s| is) (?:its|the) (?:new )?(?:name|title)(?: now| again)?",
            |_| Some(Intent::Last),
        ),
        (
            r"(?:let's |let us |start |do |begin |can we do )+(?:a |the |my )?(?:task |list |daily |weekly |quick )*review",
            |_| Some(Intent::Review),
        ),
        (
            r"(?:(?:good ?bye|bye|bye bye|buy buy|by by|good by|good buy|see you|see ya|see you (?:later|soon|tomorrow|around)|talk to you (?:later|soon|tomorrow)|hang up|end (?:the |this )?(?:call|conversation|session)|that's all|that is all|that was all|that was it|that was everything|that's it|that's everything|that's (?:all|everything) i (?:need|needed|wanted|want|have|had)|that is all i need|that's all for (?:me|us)|that's all from me|that's it from me|that'll be all|that will be all|i'm done|i am done|we're done|we are done|i'm finished|nothing else|no that's (?:all|it|everything)|good night|goodnight|night|night night|nighty night|i have to go|i've got to go|i need to go|i gotta go|gotta go|(?:i have to|i've got to|i must|got to|must) (?:run|dash|go|be off)|have a (?:good|nice|great|lovely|peaceful|pleasant|wonderful) (?:day|one|evening|night|weekend|afternoon|time)|good day to you|speak soon|speak to you (?:soon|later)|that's me done|that's me|(?:i'm |we're )?(?:all )?done for (?:today|now)|quit|exit|ciao|cheerio|take care|see you then)(?: (?:for now|for today|thanks|thank you|now|then|bye|goodbye|bye bye|have a (?:good|nice|great) (?:day|one|evening|night|weekend)|see you|later|and|very much|so much|that's all|talk to you later|good night|x|xx|love|mate|dear))*)",
            |found| Some(farewell(found)),
        ),
        (
            r"(?:thank|thanks|okay|ok|great|perfect|alright|no|cool|well|that's|awesome|nice|good|excellent|for|very|cheers|ta|right|yeah|yep|lovely|brilliant|night|anyway)\b.{0,60} (?:good ?bye|bye|bye bye|see you (?:later|tomorrow|soon))",
            |_| Some(Intent::Goodbye),
        ),
        (
            r"(?:thank you|thanks|thank you very much|thanks a lot) (?:and |that's all |that is all |that's it |that was all |that'll be all |for your help )*(?:good ?bye|bye|bye bye|that's all|that is all|that'll be all|see you|have a (?:good|nice|great) day|that's it)",
            |_| Some(Intent::Goodbye),
        ),
        // "Did I say roses? I meant the hydrangeas."
        (
            r"(?:(?:no|oh|sorry|oops|wait|actually) )*did i (?:just )?say (?P<old>.+?) i (?:meant|mean|wanted) (?P<what>.+)",
            |found| {
                let (what, not) = (found.words("what"), super::super::normalise::tokenise("not"));
                // A day is corrected by a day, and a word by a word.
                let known = says_what_is_known(what, found.known);
                Some(Intent::Correct(if known { what.to_vec() } else { [what, &not, found.words("old")].concat() }))
            },
        ),
        // "Sorry, I said Friday, I meant Thursday."
        (
            r"(?:(?:no|oh|sorry|oops|wait|actually) )*(?:i think )?i said (?:.+? )(?:(?:but )?i (?:meant|mean|wanted)|but (?:it's|it is|it was|it should be|make (?:it|that))) (?P<what>.+)",
            |found| Some(Intent::Correct(found.words("what").to_vec())),
        ),
        (
            r"(?:(?:no|nope|sorry|wait|actually|oh|not that|hang on|that's wrong|that's not right|that's not it|wrong)(?: no| sorry| wait| actually)* )?(?:i (?:meant|mean|said|was talking about|wanted|want)|(?:that's|that was|that is|it's|it was|it is) (?:meant|supposed) to (?:be|say)|that should be|that should say|it should be|it should say|should be|not .+ but|i meant to say) (?P<what>.+)",
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
                // "It's supposed to be eleven" corrects, and "it's meant to be a surprise" tells why.
                let supposed = [" meant to be ", " supposed to be ", " meant to say ", " supposed to say "];
                let supposed = supposed.iter().any(|phrase| found.utterance_text().contains(phrase));
                if supposed && !says_what_is_known(&what, found.known) {
                    return None;
                }
                // "I meant the goats" corrects; "I want the goats" does not.
                let meant = ["meant ", "mean "].iter().any(|word| found.utterance_text().contains(word));
                let named = matches!(first, "a" | "my" | "the") && meant;
                // "I want it done by Friday."
                let wants = found.utterance_text().contains(" want");
                let other = other || wants && matches!(first, "it" | "that" | "this" | "them" | "those" | "both");
                (!other || named).then_some(Intent::Correct(what))
            },
        ),
        // "It's the white van, not the blue one."
        (
            r"(?:(?:no|sorry|wait|actually|oh) )*(?:it's|it is|that's|it should be|i meant) (?P<what>(?:the |my |an? )?[a-z0-9' ]+ not .+)",
            |found| {
                let first = found.words("what").first().map_or("", |word| word.norm.as_str());
                (!matches!(first, "wrong" | "right" | "not")).then(|| Intent::Correct(found.words("what").to_vec()))
            },
        ),
        // "No, three was right."
        (
            r"(?:(?:no|sorry|wait|actually|oh|well) )+(?P<what>.+?) (?:was|is) (?:right|fine|correct|better|okay|ok|enough)(?: after all| actually)?",
            |found| {
                let words = found.words("what");
                let norms: Vec<&str> = words.iter().map(|word| word.norm.as_str()).collect();
                let hour = || dates::parse(&[&["at"], norms.as_slice()].concat(), found.known.now);
                dates::parse(&norms, found.known.now).or_else(hour).map(|_| Intent::Correct(words.to_vec()))
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
        // "Sorry, wrong one, I meant the pears."
        (
            r"(?:(?:no|oh|oh no|sorry|oops|wait|actually) )*(?:that's |that was |it was )?(?:the )?wrong (?:one|task|thing) (?:i (?:meant|mean|said|wanted)|it was|it's|it should be) (?P<what>.+)",
            |found| Some(Intent::Correct(found.words("what").to_vec())),
        ),
        // "No, not the milk, call John", "not today, tomorrow": the pause divides them.
        (r"(?:(?:no|sorry|nope|wait) )*not (?P<w>.+)", |found| {
            let words = found.words("w");
            let pause = words.iter().position(Word::pauses)?;
            let what = &words[pause + 1..];
            let what = if matches!(what.first()?.norm.as_str(), "but" | "no") { &what[1..] } else { what };
            // "No, not whale. I said wheel. Call the wheel shop."
            let sentences = what.split_last().and_then(|(_, rest)| rest.iter().rposition(Word::ends_sentence));
            let what = sentences.map_or(what, |end| &what[end + 1..]);
            // "… Friday they said".
            let what = match what {
                [rest @ .., they, said]
                    if said.norm == "said" && matches!(they.norm.as_str(), "they" | "he" | "she") =>
                {
                    rest
                }
                [i, meant, rest @ ..] if i.norm == "i" && matches!(meant.norm.as_str(), "meant" | "mean") => rest,
                what => what,
            };
            (!what.is_empty()).then(|| Intent::Correct(what.to_vec()))
        }),
        (
            r"(?:no|nope|wait|actually|sorry|oh|better|rather|or|hmm)(?: no| sorry| wait| actually| better| rather)* (?:make|make it|move|change) (?:it|that one|that|this one|this) (?:to |for |on )?(?P<what>.+)",
            |found| Some(Intent::Correct(found.words("what").to_vec())),
        ),
        (
            r"(?:no|nope|not that|wait|actually|sorry)(?: no| sorry| wait| actually)* (?:i (?:meant|mean|said|was talking about) )?(?P<what>(?:the|my) .+)",
            |found| Some(Intent::Correct(found.words("what").to_vec())),
        ),
        // "Wait, no, low I mean", "no, low, I said low".
        (
            r"(?:no|actually|sorry|wait|oh)(?: no| sorry| wait| actually| oh)* (?P<what>.+?) (?:i mean|i meant|they said|he said|she said|i said)(?: (?P<again>.+))?",
            |found| {
                let words = found.words("what");
                if !found.text("again").is_empty() && found.text("again") != found.text("what") {
                    return None;
                }
                let tells =
                    |word: &Word| word.norm.ends_with("'s") || matches!(word.norm.as_str(), "is" | "are" | "was");
                (words.len() <= 3 && !words.iter().any(tells)).then(|| Intent::Correct(words.to_vec()))
            },
        ),
        (
            r"(?:no|actually|sorry|wait|rather|better|or better|or)(?: no| sorry| wait| actually)* (?P<what>.+)",
            |found| {
                let words = found.words("what");
                let norms: Vec<&str> = words.iter().map(|word| word.norm.as_str()).collect();
                let graded = || super::find_priority(&norms).map(|_| ());
                dates::parse(&norms, found.known.now)
                    .map(|_| ())
                    .or_else(graded)
                    .map(|()| Intent::Correct(words.to_vec()))
            },
        ),
    ])
});

/// Whether the words are a date, an hour, a priority or a task on the list, whatever else may be said of a task.
fn says_what_is_known(words: &[Word], known: Known<'_>) -> bool {
    let norm = super::super::normalise::norms(words);
    let hour = || dates::parse(&[&["at"], norm.as_slice()].concat(), known.now);
    dates::parse(&norm, known.now).or_else(hour).is_some()
        || super::find_priority(&norm).is_some()
        || known.titles.named(&norm).is_some()
}

/// "Nothing else?" asks what is left, and ends no call.
fn farewell(found: &Match<'_>) -> Intent {
    let asks = end_in_question(found.all_words());
    let left = ["nothing else", "that was", "that's all", "that's it", "that's everything", "that is all"];
    match asks && left.iter().any(|phrase| found.utterance_text().starts_with(phrase)) {
        true => Intent::List(Filter { status: Some("open"), ..Filter::default() }),
        false => Intent::Goodbye,
    }
}

/// "Aight thanks bye": a few words, whatever they are, and a farewell.
pub(super) fn ends_in_farewell(utterance: &Utterance) -> bool {
    let words = &utterance.words;
    let last = words.last().map_or("", |word| word.norm.as_str());
    let telling = |word: &Word| {
        matches!(word.norm.as_str(), "say" | "said" | "says" | "to" | "a" | "the" | "not" | "don't" | "no")
    };
    matches!(last, "bye" | "goodbye" | "byebye" | "bye-bye" | "cya")
        && (2..=6).contains(&words.len())
        && !words.iter().any(telling)
}

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

/// How many words are courtesies and nothing else, up to the last pause in front of this word.
pub(super) fn courtesies_before(words: &[Word], at: usize) -> usize {
    let mut skipped = 0;
    for part in words[..at].split_inclusive(|word| !word.quoted && word.pauses()) {
        let ends = part.last().is_some_and(Word::pauses);
        if !ends || parse_whole_talk(&Utterance::new(part.to_vec())).is_none() {
            break;
        }
        skipped += part.len();
    }
    skipped
}

/// "Thank you very much, that's it for now": nothing but courtesies, one behind the other. A farewell among them is what counts.
pub(super) fn several_courtesies(utterance: &Utterance) -> Option<Intent> {
    let parts: Vec<&[Word]> = utterance.words.split_inclusive(|word| !word.quoted && word.pauses()).collect();
    let said: Option<Vec<Intent>> = parts
        .iter()
        .map(|part| {
            let part = Utterance::new(part.to_vec());
            let known = Known { now: &NOW, titles: Titles::NONE };
            let found = parse_whole_talk(&part).or_else(|| first_match(&RULES, &part, known))?;
            matches!(found, Intent::Talk(_) | Intent::Goodbye | Intent::Yes | Intent::No | Intent::Cancel)
                .then_some(found)
        })
        .collect();
    let said = said.filter(|said| said.len() > 1)?;
    let talks = said.iter().any(|intent| matches!(intent, Intent::Talk(_)));
    let goodbye = said.contains(&Intent::Goodbye);
    if goodbye { Some(Intent::Goodbye) } else { said.into_iter().last().filter(|_| talks) }
}

/// Answers, farewells and the like.
pub(super) fn parse(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    if let Some(picks) = super::pick(&utterance.text) {
        return Some(Intent::Pick(picks));
    }
    first_match(&RULES, utterance, known).or_else(|| super::assent::parse(&utterance.text))
}
