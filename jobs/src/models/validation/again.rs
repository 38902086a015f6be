//! What a model is told of an answer that could not be used.

use super::Failing;

/// Bytes of it.
const LIMIT: usize = 2048;
/// Bytes of one pointer in it. Names in an answer are the model's own, and what it read may have chosen them.
const POINTER_LIMIT: usize = 120;

impl Failing {
    /// What to say to the model: where its answer is wrong and in which respect, and nothing of what was in it.
    pub fn told(&self) -> String {
        let mut told = "The answer before this could not be used. Answer the request again: one JSON value that fits \
                        the schema, and nothing else. What was wrong, by place (a JSON pointer) and keyword:"
            .to_owned();
        if self.wrong.is_empty() {
            told += &format!("\n{:?} {}", "", self.reason.as_str());
        }
        for wrong in &self.wrong {
            let end = wrong.at.char_indices().map(|(at, _)| at).take_while(|at| *at <= POINTER_LIMIT).last();
            let shown = if wrong.at.len() > POINTER_LIMIT { &wrong.at[..end.unwrap_or(0)] } else { &wrong.at };
            // Quoted and escaped, it stays on its line.
            let line = format!("\n{shown:?} {}", wrong.code);
            if told.len() + line.len() > LIMIT {
                break;
            }
            told += &line;
        }
        told
    }
}
