//! What the agents can do: the tools' schemas and their pure execution over a task list.
