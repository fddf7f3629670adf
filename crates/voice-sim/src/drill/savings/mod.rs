//! What each saving saves: the same conversation is held with the server as it is shipped and with one setting changed, and the
//! server's own books are compared. Each setting has a server and rehearsal servers of its own.

mod books;
mod setting;
mod table;
mod talk;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::time::sleep;
use voice_caller::browser::{Call, CallError, Session};

use self::books::Books;
use self::setting::{EVERYWHERE, GROUPS, Group, Setting};
use self::talk::{Line, Tasks, conversation};
use super::fleet::{Instance, Launch};
use super::scrape::Scrape;
use crate::provider::{ProviderServers, Script, parse_latencies};

/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(20);
/// Longest wait until a call that is over stands in the books.
const BOOKED: Duration = Duration::from_secs(10);
/// Between two looks into them.
const LOOK: Duration = Duration::from_millis(100);

/// One measurement.
#[derive(Debug, Clone)]
pub struct Savings {
    /// The server's binary.
    pub binary: PathBuf,
    /// The price list: the shipped one's prices, and some for what that has none of.
    pub prices: PathBuf,
    /// Only settings whose name has this in it, and what they are compared with.
    pub only: String,
    /// How many calls go on at once.
    pub at_once: usize,
    /// How quick the rehearsal servers are: `stt=100,llm=150,tts=80`.
    pub latency: String,
    /// From the end of an answer to the caller's next words.
    pub pause: Duration,
}

/// One setting's call.
#[derive(Debug)]
struct Called {
    name: String,
    books: Books,
    /// Of each turn, as the server has it.
    latencies_ms: Vec<u64>,
    lines: usize,
    /// Lines of which something was lost, or was not as it has to be.
    wrong_lines: usize,
    /// Titles that short answers have not named.
    left_out: usize,
    tasks_right: bool,
    problems: Vec<String>,
}

/// What was heard in a call.
#[derive(Debug, Default)]
struct Talked {
    latencies_ms: Vec<u64>,
    wrong_lines: usize,
    left_out: usize,
    problems: Vec<String>,
    tasks: Tasks,
}

impl Savings {
    /// Measures in `folder`, and gives a Markdown table and what is wrong with it.
    ///
    /// # Errors
    /// When something of the drill itself does not work, or nothing is to be measured.
    pub async fn run(&self, folder: &Path) -> Result<(String, Vec<String>)> {
        let wanted = |setting: &Setting| setting.name.contains(&self.only);
        let groups = GROUPS.iter().filter(|group| group.settings.iter().any(wanted));
        let pairs: Vec<(Group, Setting)> = groups
            .flat_map(|group| {
                let settings = group.settings.iter().enumerate();
                settings
                    .filter(|(place, setting)| *place == 0 || wanted(setting))
                    .map(|(_, setting)| (*group, *setting))
            })
            .collect();
        if pairs.is_empty() {
            bail!("no setting has {:?} in its name", self.only);
        }
        let calls = pairs.into_iter().enumerate().map(async |(number, (group, setting))| {
            let called = self.call(group, setting, &format!("s{number}"), folder).await;
            (group, called.with_context(|| setting.name))
        });
        let (mut groups, mut problems): (Vec<(Group, Vec<Called>)>, Vec<String>) = Default::default();
        let mut calls = stream::iter(calls).buffered(self.at_once.max(1));
        while let Some(called) = calls.next().await {
            let (group, called) = match called {
                (group, Ok(called)) => (group, called),
                // The others' figures are not lost with it.
                (_, Err(error)) => {
                    problems.push(format!("{error:#}"));
                    continue;
                }
            };
            match groups.last_mut() {
                Some((last, calls)) if last.name == group.name => calls.push(called),
                _ => groups.push((group, vec![called])),
            }
        }
        let told = groups.iter().flat_map(|(_, calls)| calls);
        problems.extend(told.flat_map(|called| called.problems.iter().map(|text| format!("{}: {text}", called.name))));
        Ok((table::markdown(&groups), problems))
    }

    /// Starts servers with this setting, holds the conversation, and reads the books.
    async fn call(&self, group: Group, setting: Setting, name: &str, folder: &Path) -> Result<Called> {
        let latencies = parse_latencies(&self.latency).map_err(anyhow::Error::msg)?;
        let script = Script { latencies, manner: group.manner, ..Script::default() };
        let providers = ProviderServers::start(script).await?;
        let launch = Launch {
            binary: self.binary.clone(),
            environment: self.environment(&providers, setting),
            folder: folder.to_owned(),
        };
        let server = Instance::start(&launch, name).await?;
        let client = reqwest::Client::builder().no_proxy().build()?;
        let url = format!("http://{}", server.address);
        let body = json!({"channel": "browser", "user_id": format!("savings-{name}"), "time_zone": "UTC"});
        let session = Session::begin(&client, &url, None, &body).await.context("the server under test")?;
        let lines = conversation(group.rounds);
        let mut call = Call::connect(session.clone()).await?;
        let talked = self.talk(&mut call, &lines, setting).await?;
        let tasks = listed(&session.get("/api/tasks").await?);
        let document = session.document().await?;
        call.hang_up().await;
        let books = booked(&client, &format!("http://{}/metrics", server.metrics)).await?;
        drop(server);
        providers.stop();
        let mut problems = talked.problems;
        let tasks_right = tasks == talked.tasks;
        if !tasks_right {
            problems.push(format!("the tasks are {tasks:?} instead of {:?}", talked.tasks));
        }
        let kept = Books::of_document(&document)?;
        if kept != (books.spent, books.wasted.iter().sum()) {
            problems.push(format!("the session's books say {kept:?}, and the metrics {books:?}"));
        }
        Ok(Called {
            name: setting.name.to_owned(),
            books,
            latencies_ms: talked.latencies_ms,
            lines: lines.len(),
            wrong_lines: talked.wrong_lines,
            left_out: talked.left_out,
            tasks_right,
            problems,
        })
    }

    /// A server's environment: the rehearsal servers' and the setting's; nobody telephones here.
    fn environment(&self, providers: &ProviderServers, setting: Setting) -> Vec<(String, String)> {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let given = providers.env().into_iter().filter(|(name, _)| !name.starts_with("TWILIO"));
        let mut environment: Vec<(String, String)> = given.map(|(name, value)| (name.to_owned(), value)).collect();
        environment.extend(EVERYWHERE.iter().chain(setting.environment).copied().map(own));
        environment.push(("PRICES_FILE".to_owned(), self.prices.display().to_string()));
        environment
    }

    /// Hears the greeting, and says one line after the other.
    async fn talk(&self, call: &mut Call, lines: &[Line], setting: Setting) -> Result<Talked, CallError> {
        let mut talked = Talked::default();
        if !call.hear_out(ANSWER).await? {
            talked.problems.push("there was no greeting".to_owned());
        }
        for line in lines {
            call.until(self.pause, |_| false).await?;
            let answered = call.say(&line.speech(), ANSWER).await?;
            let mut checked = line.check(&call.heard, &talked.tasks, setting.is_brief(), setting.speaks_in_code());
            if !answered {
                checked.problems.push(format!("{:?}: was not answered in time", line.parts.join(" … ")));
            }
            talked.tasks.follow(line.wants);
            talked.latencies_ms.extend(call.heard.turn.as_ref().and_then(|turn| turn["latency_ms"].as_u64()));
            talked.wrong_lines += usize::from(!checked.problems.is_empty());
            talked.left_out += checked.left_out;
            talked.problems.extend(checked.problems);
        }
        // What is still on its way is booked meanwhile.
        call.until(self.pause, |_| false).await?;
        Ok(talked)
    }
}

/// The tasks of `GET /api/tasks`.
fn listed(tasks: &Value) -> Tasks {
    let mut listed = Tasks::default();
    for task in tasks.as_array().into_iter().flatten() {
        let title = task["title"].as_str().unwrap_or_default().to_owned();
        let of = if task["status"] == "done" { &mut listed.done } else { &mut listed.open };
        of.insert(title);
    }
    listed
}

/// The books, once the call stands in them.
async fn booked(client: &reqwest::Client, metrics: &str) -> Result<Books> {
    let since = Instant::now();
    while since.elapsed() < BOOKED {
        let text = client.get(metrics).send().await?.error_for_status()?.text().await?;
        if let Some(books) = Books::read(&Scrape::parse(&text)) {
            return Ok(books);
        }
        sleep(LOOK).await;
    }
    bail!("the call that is over does not stand in the metrics")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_listed_by_whether_they_are_done() {
        let tasks = json!([{"title": "a", "status": "open"}, {"title": "b", "status": "done"}]);
        let own = |title: &str| [title.to_owned()].into();
        assert_eq!(listed(&tasks), Tasks { open: own("a"), done: own("b") });
        assert_eq!(listed(&Value::Null), Tasks::default());
    }

    #[tokio::test]
    async fn nothing_is_measured_of_a_setting_that_is_none() {
        let savings = Savings {
            binary: PathBuf::new(),
            prices: PathBuf::new(),
            only: "no such".to_owned(),
            at_once: 1,
            latency: String::new(),
            pause: Duration::ZERO,
        };
        let error = savings.run(Path::new("/nowhere")).await.expect_err("no setting");
        assert!(error.to_string().contains("no setting has \"no such\""), "{error}");
    }
}
