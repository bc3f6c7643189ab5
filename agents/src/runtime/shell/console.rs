//! A guest's console, read for whoever has a stream. Nothing of it is recorded, and no call waits for it.

use windlass_agent_wire::{ConsoleAsked, ConsoleTold};
use windlass_sagas::protocol::ledger::LinkId;
use windlass_sagas::record::{Refusal, RefusalCode, Role};

use super::{Finished, Shell};
use crate::driver::driver_failed;
use crate::limits::{CONSOLE_TIME_MAX, CONSOLES_MAX};

impl Shell {
    /// Lets the driver read a console; its deadline ends it.
    pub(super) fn read_console(&mut self, link: LinkId, asked: ConsoleAsked) {
        let ConsoleAsked { id, server, bytes_max } = asked;
        if !self.slots.contains_key(&Role::Hypervisor) {
            let message = "the host runs no guests".into();
            let refusal = Refusal { code: RefusalCode::Missing, retryable: false, message };
            return self.tell_console(link, ConsoleTold { id, result: Err(refusal) });
        }
        if self.consoles >= CONSOLES_MAX {
            let result = Err(driver_failed("as many consoles are being read as may be"));
            return self.tell_console(link, ConsoleTold { id, result });
        }
        self.consoles += 1;
        let reading = self.driver.console(server, bytes_max);
        self.tasks.spawn(async move {
            // A panic is an answer too: none may stay out.
            let reading = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(reading));
            let result = match tokio::time::timeout(CONSOLE_TIME_MAX, reading).await {
                Ok(Ok(result)) => result,
                Ok(Err(error)) => Err(driver_failed(&format!("the driver panicked: {error}"))),
                Err(_) => Err(driver_failed("the driver took too long")),
            };
            Finished::Console(link, ConsoleTold { id, result: result.map(|text| last(text, bytes_max)) })
        });
    }

    /// The driver has read a console.
    pub(super) fn console_read(&mut self, link: LinkId, told: ConsoleTold) {
        self.consoles = self.consoles.saturating_sub(1);
        self.tell_console(link, told);
    }

    fn tell_console(&self, link: LinkId, told: ConsoleTold) {
        self.pass(link, [told.encode()]);
    }
}

/// The last bytes of what a driver gave, which may be more than it was asked for.
fn last(mut text: Vec<u8>, bytes_max: u32) -> Vec<u8> {
    let most = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    text.drain(..text.len().saturating_sub(most));
    text
}
