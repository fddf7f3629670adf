//! Where state lives: sessions, tasks, undo and tool intents, committed together.
