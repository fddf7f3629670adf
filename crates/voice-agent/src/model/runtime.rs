//! One ONNX Runtime for the process, loaded from the models' folder.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ort::environment::Environment;
use ort::session::Session;

/// The library's place below the models' folder.
const LIBRARY: &str = "onnxruntime/libonnxruntime.so.1.32.0";

/// Why an embedded model could not be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file of the model is missing.
    #[error("model file {0} is missing; `make models` fetches it")]
    Missing(PathBuf),
    /// A file of the model is not what it should be.
    #[error("model file {path} is broken: {reason}; delete it and run `make models`")]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The ONNX Runtime refused.
    #[error("the ONNX Runtime failed: {0}")]
    Runtime(String),
}

impl<T> From<ort::Error<T>> for ModelError {
    fn from(error: ort::Error<T>) -> Self {
        Self::Runtime(error.to_string())
    }
}

/// The process's one ONNX Runtime; cheap to clone.
#[derive(Debug, Clone)]
pub struct Runtime {
    environment: Environment,
    models_dir: PathBuf,
}

impl Runtime {
    /// Loads the runtime's library from the models' folder. The library is loaded once in a process: later calls answer
    /// what the first one did.
    ///
    /// # Errors
    /// [`ModelError`] when the library is missing or cannot be loaded.
    pub fn load(models_dir: &Path) -> Result<Self, ModelError> {
        static ENVIRONMENT: OnceLock<Result<Environment, String>> = OnceLock::new();
        let library = models_dir.join(LIBRARY);
        if !library.is_file() {
            return Err(ModelError::Missing(library));
        }
        let environment = ENVIRONMENT
            .get_or_init(|| {
                let builder = ort::init_from(&library).map_err(|error| error.to_string())?;
                builder.with_name("voice-agent").with_telemetry(false).build().map_err(|error| error.to_string())
            })
            .clone()
            .map_err(ModelError::Runtime)?;
        Ok(Self { environment, models_dir: models_dir.to_owned() })
    }

    /// The models' folder.
    pub fn models_dir(&self) -> &Path {
        &self.models_dir
    }

    /// Opens a model (a path below the models' folder) for one thread that never spins: many models share few cores.
    ///
    /// # Errors
    /// [`ModelError`] when the file is missing or is not a model.
    pub fn open(&self, file: &str) -> Result<Session, ModelError> {
        self.open_with(file, true)
    }

    /// The same for a model that is used now and then, with inputs of any size: it gives its memory back after each run, instead of keeping
    /// as much as the largest one took.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_lean(&self, file: &str) -> Result<Session, ModelError> {
        self.open_with(file, false)
    }

    fn open_with(&self, file: &str, keeps_memory: bool) -> Result<Session, ModelError> {
        let path = self.models_dir.join(file);
        if !path.is_file() {
            return Err(ModelError::Missing(path));
        }
        let session = Session::builder(&self.environment)?
            .with_intra_threads(1)?
            .with_inter_threads(1)?
            .with_config_entry("session.intra_op.allow_spinning", "0")?
            .with_memory_pattern(keeps_memory)?
            .with_execution_providers([ort::ep::CPU::default().with_arena_allocator(keeps_memory).build()])?
            .commit_from_file(&path)
            .map_err(|error| ModelError::Broken { path, reason: error.to_string() })?;
        Ok(session)
    }
}

/// The models' folder below a user's cache: `XDG_CACHE_HOME`, or `.cache` in `HOME`. A variable that is empty counts as
/// one that is not set.
pub fn models_dir_of(xdg_cache_home: Option<&str>, home: Option<&str>) -> Option<PathBuf> {
    let filled = |value: Option<&str>| value.filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = filled(xdg_cache_home).or_else(|| filled(home).map(|home| home.join(".cache")))?;
    Some(cache.join("voice-agent/models"))
}

/// The models' folder of this process's environment: `MODELS_DIR`, or the user's cache folder. For tests and tools; the
/// server has its configuration.
pub fn default_models_dir() -> PathBuf {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    variable("MODELS_DIR")
        .map(PathBuf::from)
        .or_else(|| models_dir_of(variable("XDG_CACHE_HOME").as_deref(), variable("HOME").as_deref()))
        .unwrap_or_else(|| PathBuf::from("/var/cache/voice-agent/models"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_says_what_to_do() {
        let error = Runtime::load(Path::new("/nowhere")).expect_err("there is no such folder");
        assert!(error.to_string().contains("make models"), "{error}");
    }

    #[test]
    fn every_model_of_the_embedded_voice_opens() {
        let runtime = Runtime::load(&default_models_dir()).expect("the runtime");
        for file in ["silero/silero_vad_16k_op15.onnx", "smart-turn/smart-turn-v3.2-cpu.onnx", "hibari/oov.onnx"] {
            runtime.open(file).expect(file);
        }
    }
}
