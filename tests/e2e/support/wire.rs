//! A wire to a server, whose weather the test makes: what is sent over it can be held back, slowed down or cut off. It
//! moves bytes and knows nothing of what they say, so TLS passes through.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::Dice;

/// What one read of a wire takes at most, bytes.
const CHUNK: usize = 64 * 1024;

/// How a wire behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Everything passes at once.
    Clear,
    /// What the client sends is held back; answers pass.
    HoldsUp,
    /// What the server sends is held back.
    HoldsDown,
    /// Nothing passes in either direction, and nobody is told: half-open connections, and new ones that say nothing.
    Silent,
    /// Everything is this many milliseconds late.
    Late(u64),
    /// A kibibyte a millisecond at most: a reader that is slow.
    Slow,
    /// Connections are closed, new ones as soon as they are made.
    Cut,
}

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

impl Weather {
    fn holds(self, way: Way) -> bool {
        match self {
            Self::Silent => true,
            Self::HoldsUp => way == Way::Up,
            Self::HoldsDown => way == Way::Down,
            Self::Clear | Self::Late(_) | Self::Slow | Self::Cut => false,
        }
    }

    /// What the dice say.
    fn drawn(dice: &mut Dice) -> Self {
        match dice.below(8) {
            0 => Self::HoldsUp,
            1 => Self::HoldsDown,
            2 => Self::Silent,
            3 | 4 => Self::Late(1 + dice.below(80)),
            5 => Self::Slow,
            _ => Self::Cut,
        }
    }
}

/// A wire. It ends with the test's runtime.
pub(crate) struct Wire {
    /// Where its clients connect.
    pub(crate) address: String,
    weather: watch::Sender<Weather>,
    /// Bytes that are held back.
    held: Arc<AtomicUsize>,
}

impl Wire {
    pub(crate) async fn to(server: String) -> Self {
        let listener = TcpListener::bind(super::free_address()).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (weather, seen) = watch::channel(Weather::Clear);
        let held = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&held);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // A server that is down refuses: its client sees a connection that is closed.
                if *seen.borrow() == Weather::Cut {
                    continue;
                }
                let Ok(server) = TcpStream::connect(&server).await else { continue };
                let ((from_client, to_client), (from_server, to_server)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(pump(Way::Up, from_client, to_server, seen.clone(), Arc::clone(&counted)));
                tokio::spawn(pump(Way::Down, from_server, to_client, seen.clone(), Arc::clone(&counted)));
            }
        });
        Self { address, weather, held }
    }

    pub(crate) fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    pub(crate) fn held_bytes(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }

    /// Bad weather by the dice of this seed, a change every 20 to 400 ms, and clear sky at the end.
    pub(crate) async fn storm(&self, seed: u64, changes: u32) {
        let mut dice = Dice(seed);
        for _ in 0..changes {
            self.set(Weather::drawn(&mut dice));
            tokio::time::sleep(Duration::from_millis(20 + dice.below(380))).await;
            self.set(Weather::Clear);
            tokio::time::sleep(Duration::from_millis(dice.below(120))).await;
        }
    }
}

/// Moves bytes one way until either end closes, or the wire is cut.
async fn pump(
    way: Way,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut seen: watch::Receiver<Weather>,
    held: Arc<AtomicUsize>,
) {
    let mut bytes = vec![0; CHUNK];
    loop {
        let mut cut = seen.clone();
        let count = tokio::select! {
            read = from.read(&mut bytes) => match read { Ok(count @ 1..) => count, _ => return },
            _ = cut.wait_for(|weather| *weather == Weather::Cut) => return,
        };
        held.fetch_add(count, Ordering::SeqCst);
        let lifted = seen.wait_for(|weather| !weather.holds(way)).await.is_ok();
        held.fetch_sub(count, Ordering::SeqCst);
        let weather = *seen.borrow();
        if !lifted || weather == Weather::Cut || send(&mut to, &bytes[..count], weather).await.is_err() {
            return;
        }
    }
}

async fn send(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8], weather: Weather) -> std::io::Result<()> {
    if let Weather::Late(ms) = weather {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    let piece = if weather == Weather::Slow { 1024 } else { CHUNK };
    for piece in bytes.chunks(piece) {
        to.write_all(piece).await?;
        if weather == Weather::Slow {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    Ok(())
}
