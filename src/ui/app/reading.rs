//! What comes from the capture: how far it has been read, whether more may come, and how its recording goes.

use super::App;
use crate::tap::Health;
use crate::ui::event::{Fed, Notice};
use crate::ui::format::plural;

/// How far the capture has been read, and whether more may come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Reading {
    #[default]
    Opening,
    /// Bytes read, and bytes there are.
    Loading(u64, u64),
    /// All is read, and the proxy lives.
    Live,
    /// The proxy is gone.
    Ended,
    /// It was gone when we came.
    Saved,
    /// Nobody told us of a proxy, and yet somebody may write on.
    Growing,
    Failed {
        why: String,
        /// All before this byte has been read.
        from: Option<u64>,
    },
}

impl App {
    pub(super) fn feed(&mut self, fed: Fed) {
        match fed {
            Fed::Opened(header) => self.world.header = Some(*header),
            Fed::Batch {
                digests,
                progress: (read, total),
            } => {
                for digest in digests {
                    self.world.traffic.apply(digest);
                }
                self.torn = 0;
                match self.reading {
                    Reading::Opening | Reading::Loading(..) => {
                        self.reading = Reading::Loading(read, total);
                    }
                    Reading::Saved => {
                        self.reading = Reading::Growing;
                        self.world.growing = true;
                    }
                    _ => {}
                }
            }
            Fed::CaughtUp if self.world.live => self.reading = Reading::Live,
            Fed::CaughtUp => {
                self.reading = Reading::Growing;
                self.world.growing = true;
            }
            Fed::Ended { torn } => {
                self.reading = if self.session.live {
                    Reading::Ended
                } else {
                    Reading::Saved
                };
                (self.world.live, self.world.growing) = (false, false);
                self.world.traffic.cut_off();
                self.torn = torn;
                if torn > 0 {
                    let torn = plural(torn, "byte");
                    let notice = Notice::error(format!(
                        "the last line of the capture is torn ({torn}): nobody finished writing it"
                    ));
                    self.log.note(&self.world, notice);
                }
            }
            Fed::Failed { why, from } => {
                self.say(Notice::error(why.clone()));
                self.reading = Reading::Failed { why, from };
            }
        }
    }

    /// The status bar says it as long as it lasts, the log for ever.
    pub(super) fn feel(&mut self, health: Health) {
        let notice = match (&self.health.trouble, &health.trouble) {
            (None, Some(reason)) => Some(Notice::error(format!(
                "cannot write the capture: {reason}; the traffic goes on"
            ))),
            (Some(_), None) => Some(Notice::info("the capture is being written again")),
            _ => None,
        };
        if let Some(notice) = notice {
            self.log.note(&self.world, notice);
        }
        self.health = health;
    }
}
