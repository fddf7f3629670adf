use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn worker(now: Instant) -> Machine {
    Machine::new(now, Address::parse("ws://127.0.0.1:7880").unwrap(), WorkerOptions::default(), 1_000)
}

fn message(message: ToWorker) -> Vec<u8> {
    ServerMessage { message: Some(message) }.encode_to_vec()
}

fn registered(now: Instant) -> Machine {
    let mut machine = worker(now);
    machine.handle_message(now, &message(ToWorker::Register(proto::RegisterWorkerResponse::default())));
    outputs(&mut machine);
    machine
}

fn offer(id: &str) -> Vec<u8> {
    let room = proto::Room { name: "kitchen".into(), ..Default::default() };
    let job = proto::Job { id: id.into(), room: Some(room), metadata: "soup".into(), ..Default::default() };
    message(ToWorker::Availability(Box::new(proto::AvailabilityRequest { job: Some(job), resuming: false })))
}

fn assignment(id: &str) -> Vec<u8> {
    let job = proto::Job { id: id.into(), ..Default::default() };
    let assignment = proto::JobAssignment { job: Some(job), url: Some(String::new()), token: "a.b.c".into() };
    message(ToWorker::Assignment(Box::new(assignment)))
}

/// What came out: messages by their content, the rest by its name.
fn outputs(machine: &mut Machine) -> Vec<String> {
    let line = |output| match output {
        Output::Send(bytes) => match WorkerMessage::decode(&bytes[..]).unwrap().message.unwrap() {
            FromWorker::Register(_) => "register".into(),
            FromWorker::Availability(answer) => format!("{} {}", answer.job_id, answer.available),
            FromWorker::UpdateWorker(status) => {
                format!("status {:?} load {:.2} jobs {}", status.status.unwrap(), status.load, status.job_count)
            }
            FromWorker::UpdateJob(job) => {
                format!("{} status {} {}", job.job_id, job.status, job.error).trim_end().into()
            }
            FromWorker::Ping(ping) => format!("ping {}", ping.timestamp),
            FromWorker::MigrateJob(jobs) => format!("migrate {}", jobs.job_ids.join(" ")),
        },
        Output::Event(event) => format!("{event:?}"),
        Output::Connect { url } => url,
        Output::Disconnect => "disconnect".into(),
    };
    std::iter::from_fn(|| machine.poll_output()).map(line).collect()
}

#[test]
fn a_job_from_offer_to_end() {
    let now = Instant::now();
    let mut machine = registered(now);
    machine.handle_message(now, &offer("AJ_1"));
    let Some(Output::Event(WorkerEvent::Offered(job))) = machine.poll_output() else {
        panic!("no offer");
    };
    assert_eq!((job.room.as_str(), job.metadata.as_str()), ("kitchen", "soup"));
    machine.answer(now, &job.id, Some(&Agent::default()));
    assert_eq!(outputs(&mut machine), ["AJ_1 true"]);
    machine.handle_message(now, &assignment("AJ_1"));
    let expected = ["AJ_1 status 1", "status 0 load 0.00 jobs 1", "Assigned(Assignment(AJ_1))"];
    assert_eq!(outputs(&mut machine), expected);
    machine.handle_message(now, &message(ToWorker::Termination(proto::JobTermination { job_id: "AJ_1".into() })));
    assert_eq!(outputs(&mut machine), [r#"Terminated(JobId("AJ_1"))"#]);
    machine.finish(&job.id, Err("burnt".into()));
    assert_eq!(outputs(&mut machine), ["AJ_1 status 3 burnt", "status 0 load 0.00 jobs 0"]);
    machine.finish(&job.id, Ok(()));
    assert_eq!(outputs(&mut machine), [""; 0], "a job ends once");
}

#[test]
fn an_offer_without_an_answer_is_rejected_in_time() {
    let now = Instant::now();
    let mut machine = registered(now);
    machine.handle_message(now, &offer("AJ_1"));
    outputs(&mut machine);
    machine.handle_timeout(now + 9 * SECOND);
    assert!(outputs(&mut machine).contains(&"AJ_1 false".to_owned()));
    machine.answer(now + 9 * SECOND, &"AJ_1".into(), Some(&Agent::default()));
    assert_eq!(outputs(&mut machine), [""; 0], "too late");
}

#[test]
fn an_accepted_job_that_is_not_assigned_is_told() {
    let now = Instant::now();
    let mut machine = registered(now);
    machine.handle_message(now, &offer("AJ_1"));
    machine.answer(now, &"AJ_1".into(), Some(&Agent::default()));
    outputs(&mut machine);
    machine.handle_timeout(now + ASSIGN_TIMEOUT);
    assert!(outputs(&mut machine).contains(&r#"NotAssigned(JobId("AJ_1"))"#.to_owned()));
}

#[test]
fn load_is_scaled_to_what_the_server_calls_full() {
    let now = Instant::now();
    let mut machine = registered(now);
    machine.set_load(0.5);
    machine.handle_timeout(now + STATUS_EVERY);
    assert_eq!(outputs(&mut machine), ["status 0 load 0.35 jobs 0"]);
    machine.set_load(2.0);
    assert_eq!(outputs(&mut machine), ["status 1 load 1.00 jobs 0"], "at once");
    machine.set_load(f32::NAN);
    assert_eq!(outputs(&mut machine), [""; 0]);
    machine.set_load(0.0);
    assert_eq!(outputs(&mut machine), ["status 0 load 0.00 jobs 0"]);
}

#[test]
fn draining_ends_with_the_last_job() {
    let now = Instant::now();
    let mut machine = registered(now);
    machine.handle_message(now, &offer("AJ_1"));
    machine.answer(now, &"AJ_1".into(), Some(&Agent::default()));
    machine.handle_message(now, &assignment("AJ_1"));
    outputs(&mut machine);
    machine.drain();
    assert_eq!(outputs(&mut machine), ["status 1 load 1.00 jobs 1"]);
    machine.handle_message(now, &offer("AJ_2"));
    assert_eq!(outputs(&mut machine), ["AJ_2 false"]);
    machine.finish(&"AJ_1".into(), Ok(()));
    assert_eq!(outputs(&mut machine), ["AJ_1 status 2", "status 1 load 1.00 jobs 0", "Drained"]);
    machine.drain();
    assert_eq!(outputs(&mut machine), ["status 1 load 1.00 jobs 0"], "told once");
}

#[test]
fn jobs_survive_a_lost_link() {
    let now = Instant::now();
    let mut machine = registered(now);
    for job in ["AJ_1", "AJ_2"] {
        machine.handle_message(now, &offer(job));
        machine.answer(now, &job.into(), Some(&Agent::default()));
        machine.handle_message(now, &assignment(job));
    }
    outputs(&mut machine);
    machine.handle_link_lost(now, LinkError::Closed);
    assert_eq!(outputs(&mut machine), ["disconnect", "Lost(Closed)"]);
    machine.finish(&"AJ_2".into(), Ok(()));
    machine.handle_timeout(now);
    assert_eq!(outputs(&mut machine), ["ws://127.0.0.1:7880/agent?protocol=1", "register"]);
    machine.handle_message(now, &message(ToWorker::Register(proto::RegisterWorkerResponse::default())));
    let expected = [r#"Registered { worker_id: "" }"#, "migrate AJ_1", "AJ_2 status 2", "status 0 load 0.00 jobs 1"];
    assert_eq!(outputs(&mut machine), expected);
}

#[test]
fn tries_are_further_and_further_apart() {
    let mut now = Instant::now();
    let mut machine = worker(now);
    let mut pauses = Vec::new();
    for _ in 0..7 {
        machine.handle_link_lost(now, LinkError::Unreachable);
        let at = machine.poll_timeout().unwrap();
        pauses.push((at - now).as_secs());
        now = at;
        machine.handle_timeout(now);
    }
    assert_eq!(pauses, [2, 4, 6, 8, 10, 10, 10]);
    let lost = outputs(&mut machine).iter().filter(|line| line.starts_with("Lost")).count();
    assert_eq!(lost, 1, "a loss is told once");
}

#[test]
fn a_silent_server_is_lost_and_a_refusing_one_left() {
    let now = Instant::now();
    let mut machine = registered(now);
    machine.handle_timeout(now + 5 * SECOND);
    assert_eq!(outputs(&mut machine), ["ping 6000", "status 0 load 0.00 jobs 0"]);
    machine.handle_timeout(now + 15 * SECOND);
    assert_eq!(outputs(&mut machine)[..2], ["disconnect", "Lost(Timeout)"]);
    let mut machine = worker(now);
    outputs(&mut machine);
    machine.handle_link_lost(now, LinkError::Refused(401));
    assert_eq!(outputs(&mut machine), ["disconnect", "Refused(Refused(401))"]);
    assert_eq!(machine.poll_timeout(), None);
}

proptest! {
    #[test]
    fn any_messages_are_survived(messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..20)) {
        let now = Instant::now();
        let mut machine = registered(now);
        for message in &messages {
            machine.handle_message(now, message);
            machine.handle_timeout(now);
        }
        prop_assert!(machine.poll_timeout().is_some());
    }
}
