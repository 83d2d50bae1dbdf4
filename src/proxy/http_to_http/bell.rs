//! Waking the recorder when bytes are on their way, and not before.

use crate::tap::Tap;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

/// hyper writes after it has polled a body, in the same poll of its task. The bell rings in a task of its own, which
/// has its turn after that one.
#[derive(Debug, Clone)]
pub struct Bell {
    tap: Tap,
    rope: Arc<Notify>,
    _ringer: Option<Arc<AbortOnDropHandle<()>>>,
}

impl Bell {
    pub fn hang(tap: Tap) -> Self {
        let rope = Arc::new(Notify::new());
        let ringer = tap.is_enabled().then(|| {
            let (tap, rope) = (tap.clone(), rope.clone());
            let ringing = tokio::spawn(async move {
                loop {
                    rope.notified().await;
                    tap.wake();
                }
            });
            Arc::new(AbortOnDropHandle::new(ringing))
        });
        Self {
            tap,
            rope,
            _ringer: ringer,
        }
    }

    pub fn ring(&self) {
        if self.tap.is_asleep() {
            self.rope.notify_one();
        }
    }
}
