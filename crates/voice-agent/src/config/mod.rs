//! Configuration: one TOML file, every key overridable by an environment variable.
