//! Messages as they are read below the list.

use super::*;
