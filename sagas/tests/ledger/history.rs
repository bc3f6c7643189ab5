//! One random history: every call and reply ever sent may come at any later time, any number of times; batches are
//! synced late, the process dies, the power fails and keeps any prefix of them. After it, a quiet time in which the open
//! saga must end, and then every late copy once more.

use std::collections::{BTreeMap, VecDeque};

use windlass_sagas::ids::*;
use windlass_sagas::protocol::ledger::{BatchId, Input, Ledger, LinkId, Output, Row, WorkId};
use windlass_sagas::protocol::{Answer, Call, Reply, Up};

use crate::chance::Chance;
use crate::host::{Bytes, Change, Host};
use crate::leader::{INCARNATION, LEDGER, Leader, Phase};

const STEPS: usize = 300;
/// How many rounds a quiet time may take until the open saga has ended.
const QUIET_ROUNDS: usize = 60;

pub(crate) struct History {
    chance: Chance,
    leader: Leader,
    host: Host,
    ledger: Ledger,
    disk: BTreeMap<Vec<u8>, Vec<u8>>,
    batches: VecDeque<(BatchId, Vec<Row>)>,
    link: LinkId,
    calls: Vec<Call>,
    replies: Vec<Reply>,
    heard: usize,
    low_waters: Vec<(Term, Position)>,
    /// What happened, where somebody wants to know.
    story: Option<Vec<String>>,
}

type Held = Result<(), String>;

impl History {
    pub(crate) fn new(seed: u64) -> Self {
        let ledger = Ledger::new(LEDGER, INCARNATION);
        let mut disk = BTreeMap::new();
        store(&mut disk, &[ledger.first_row()]);
        Self {
            chance: Chance::new(seed),
            leader: Leader::new(),
            host: Host::new(),
            ledger,
            disk,
            batches: VecDeque::new(),
            link: LinkId(0),
            calls: vec![],
            replies: vec![],
            heard: 0,
            low_waters: vec![],
            story: None,
        }
    }

    /// Plays it to its end.
    pub(crate) fn play(&mut self) -> Held {
        self.connect()?;
        for _ in 0..STEPS {
            self.anything()?;
            self.judge()?;
        }
        self.quiet_time()?;
        for call in self.calls.clone() {
            self.deliver(call)?;
            self.work_to_the_end()?;
            self.judge()?;
        }
        Ok(())
    }

    /// Plays it to its end and tells every input that the ledger got.
    pub(crate) fn tell(&mut self) -> Vec<String> {
        self.story = Some(vec![]);
        let end = format!("{:?}", self.play());
        let mut story = self.story.take().unwrap_or_default();
        story.push(end);
        story
    }

    pub(crate) fn met(&self) -> BTreeMap<&'static str, u32> {
        self.leader.met.clone()
    }

    fn anything(&mut self) -> Held {
        match self.chance.below(100) {
            0..20 => self.some_work(),
            20..32 => self.some_sync(),
            32..52 => self.hear_next(),
            52..56 => self.hear_again(),
            56..64 => self.late_copy(),
            64..72 => {
                let call = self.leader.start();
                self.send(call)
            }
            72..80 => {
                let call = self.leader.look_up();
                self.send(call)
            }
            80..82 => {
                let call = self.leader.cancel();
                self.send(call)
            }
            82..86 => {
                let call = self.leader.again();
                self.send(call)
            }
            86..92 => self.low_water(),
            92..95 => self.take_over(),
            95..98 => self.fall(false),
            _ => self.fall(true),
        }
    }

    /// A call leaves; it arrives now, or only as a late copy.
    fn send(&mut self, call: Option<Call>) -> Held {
        let Some(call) = call else { return Ok(()) };
        self.calls.push(call.clone());
        if self.chance.percent(80) { self.deliver(call) } else { Ok(()) }
    }

    fn deliver(&mut self, call: Call) -> Held {
        self.give(Input::Call { link: self.link, call: Box::new(call) })
    }

    fn late_copy(&mut self) -> Held {
        if self.calls.is_empty() {
            return Ok(());
        }
        self.leader.meet("late copy");
        let call = self.calls[self.chance.below(self.calls.len())].clone();
        self.deliver(call)
    }

    fn hear_next(&mut self) -> Held {
        let Some(reply) = self.replies.get(self.heard).cloned() else { return Ok(()) };
        self.heard += 1;
        self.hear(&reply)
    }

    fn hear_again(&mut self) -> Held {
        if self.heard == 0 {
            return Ok(());
        }
        let reply = self.replies[self.chance.below(self.heard)].clone();
        // Call errors are answers to one message, not words about the key: only the stream that asked takes them.
        if matches!(reply.answer, Answer::Error(_) | Answer::Running | Answer::Absent) {
            return Ok(());
        }
        self.hear(&reply)
    }

    fn hear(&mut self, reply: &Reply) -> Held {
        let call = self.leader.hear(reply, &mut self.chance)?;
        self.send(call)
    }

    fn some_work(&mut self) -> Held {
        let jobs = self.host.jobs();
        if jobs.is_empty() {
            return Ok(());
        }
        let work = jobs[self.chance.below(jobs.len())];
        if self.chance.percent(8) {
            return match self.host.refuse(work) {
                Some(result) => self.give(Input::Worked { work, result }),
                None => Ok(()),
            };
        }
        self.work(work)
    }

    fn work(&mut self, work: WorkId) -> Held {
        let (change, result) = self.host.step(work);
        if let Some(change) = change {
            self.judge_change(change)?;
        }
        match result {
            Some(result) => self.give(Input::Worked { work, result }),
            None => Ok(()),
        }
    }

    fn some_sync(&mut self) -> Held {
        let Some((batch, rows)) = self.batches.pop_front() else { return Ok(()) };
        store(&mut self.disk, &rows);
        self.give(Input::Synced { batch })
    }

    fn low_water(&mut self) -> Held {
        self.low_waters.push((self.leader.term, self.leader.low_water()));
        self.leader.meet("low water");
        let (term, position) = self.low_waters[self.chance.below(self.low_waters.len())];
        self.give(Input::LowWater { link: self.link, incarnation: INCARNATION, term, position })
    }

    /// Another leader, who knows what is durable, and looks up what is open.
    fn take_over(&mut self) -> Held {
        self.leader.meet("new term");
        self.leader.position = self.leader.position.next();
        self.leader.term.elected = self.leader.position;
        self.connect()?;
        let call = self.leader.look_up();
        self.send(call)
    }

    /// The process dies, or the host with it; of the batches that are out any prefix is on the disk.
    fn fall(&mut self, power: bool) -> Held {
        self.leader.meet(if power { "power cut" } else { "crash" });
        let kept = self.chance.below(self.batches.len() + 1);
        for (_, rows) in self.batches.drain(..).take(kept) {
            store(&mut self.disk, &rows);
        }
        if power {
            self.host.power_cut();
        } else {
            self.host.crash();
        }
        self.ledger = Ledger::restore(&self.disk).map_err(|error| error.to_string())?;
        self.connect()
    }

    fn connect(&mut self) -> Held {
        self.link = LinkId(self.link.0 + 1);
        let (link, term, position) = (self.link, self.leader.term, self.leader.position);
        self.give(Input::Lead { link, term, position, hash: Hash::default() })
    }

    fn give(&mut self, input: Input) -> Held {
        if let Some(story) = &mut self.story {
            story.push(format!("{input:?}"));
        }
        let mut out = Vec::new();
        self.ledger.step(input, Time(0), &mut out);
        for output in out {
            match output {
                Output::Begin(work) => self.host.begin(*work),
                Output::Apply(view) => return Err(format!("no view was pushed: {view:?}")),
                Output::Persist { batch, rows } => self.batches.push_back((batch, rows)),
                Output::Send { up: Up::Reply(reply), .. } => self.replies.push(reply),
                Output::Send { up: Up::FencedLead { highest }, .. } => {
                    return Err(format!("the only leader was fenced by {highest}"));
                }
                Output::Send { up, .. } => return Err(format!("not a ledger's word: {up:?}")),
            }
        }
        Ok(())
    }

    /// P1, P2, P3: nothing is made or removed but for the open saga, and nothing made twice.
    fn judge_change(&self, change: Change) -> Held {
        let phase = self.leader.phase;
        match change {
            Change::Makes(key) if !self.leader.may_make(key) => Err(format!("{key:?} makes in {phase:?}")),
            Change::Removes(key) if !self.leader.may_remove(key) => {
                Err(format!("{key:?} removes in {phase:?}"))
            }
            Change::MakesAgain(key) => Err(format!("{key:?} makes what is there")),
            Change::Makes(_) | Change::Removes(_) => Ok(()),
        }
    }

    /// P1, P2: between sagas the world is what the fold says.
    fn judge(&self) -> Held {
        match (self.leader.phase, self.host.now) {
            (Phase::Idle(Some(_)), Bytes::Nothing | Bytes::Half) => {
                Err("a finished saga's volume is missing".into())
            }
            (Phase::Idle(None), Bytes::Half | Bytes::Whole) => Err("a volume is left over".into()),
            (Phase::Idle(_) | Phase::Making | Phase::Unmaking | Phase::Deleting(_), _) => Ok(()),
        }
    }

    /// No more faults: whatever is open must end.
    fn quiet_time(&mut self) -> Held {
        for _ in 0..QUIET_ROUNDS {
            self.work_to_the_end()?;
            while self.heard < self.replies.len() {
                self.hear_next()?;
                self.judge()?;
                self.work_to_the_end()?;
            }
            match self.leader.look_up() {
                None => return Ok(()),
                Some(call) => self.deliver(call)?,
            }
        }
        Err(format!("no end is in sight: {:?}", self.leader.phase))
    }

    fn work_to_the_end(&mut self) -> Held {
        loop {
            while !self.batches.is_empty() {
                self.some_sync()?;
            }
            match self.host.jobs().first() {
                Some(work) => self.work(*work)?,
                None => return Ok(()),
            }
        }
    }
}

fn store(disk: &mut BTreeMap<Vec<u8>, Vec<u8>>, rows: &[Row]) {
    for row in rows {
        match row.value_bytes() {
            Some(value) => disk.insert(row.key_bytes(), value),
            None => disk.remove(&row.key_bytes()),
        };
    }
}
