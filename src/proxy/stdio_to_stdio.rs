//! A stdio client in front of a stdio server: both pumps and their closing rules.
