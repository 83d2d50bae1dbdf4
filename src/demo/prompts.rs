//! The prompts: with arguments, with an embedded resource, and with none.

use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    ContentBlock, ErrorData, GetPromptResult, PromptMessage, ResourceContents, Role,
};
use rmcp::{prompt, prompt_router};
use schemars::JsonSchema;
use serde::Deserialize;

use super::harbour;
use super::server::Desk;

#[derive(Deserialize, JsonSchema)]
struct Summary {
    /// Number of the note.
    note: String,
    /// How long: `line`, `paragraph` or `page`.
    length: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct DayOut {
    /// pier, lagoon or outer-bank.
    place: String,
    /// What the crew likes.
    wishes: Option<String>,
}

#[prompt_router(vis = "pub(super)")]
impl Desk {
    /// Sums up a note.
    #[prompt(name = "summarize", title = "Sum up a note")]
    async fn summarize(
        &self,
        Parameters(it): Parameters<Summary>,
    ) -> Result<GetPromptResult, ErrorData> {
        let books = self.books().await;
        let note = it
            .note
            .parse()
            .ok()
            .and_then(|id| books.note(id))
            .ok_or_else(|| {
                ErrorData::invalid_params(format!("there is no note {}", it.note), None)
            })?;
        let length = it.length.as_deref().unwrap_or("line");
        let wish = format!(
            "Sum up this note in one {length}.\n\n{}\n{}",
            note.title, note.body
        );
        Ok(
            GetPromptResult::new(vec![PromptMessage::new_text(Role::User, wish)])
                .with_description(format!("Summary of note {}", note.id)),
        )
    }

    /// Plans a day on the water.
    #[prompt(name = "plan-day", title = "Plan a day out")]
    async fn plan_day(&self, Parameters(it): Parameters<DayOut>) -> Vec<PromptMessage> {
        let wishes = it
            .wishes
            .map(|wishes| format!(" We like {wishes}."))
            .unwrap_or_default();
        vec![
            PromptMessage::new_text(
                Role::User,
                format!(
                    "Plan a day out to the {}.{wishes} Ask for the forecast first.",
                    it.place
                ),
            ),
            PromptMessage::new_text(
                Role::Assistant,
                "I will look at the forecast and the tides.",
            ),
        ]
    }

    /// What the next shift has to know.
    #[prompt(name = "handover", title = "Hand over the desk")]
    async fn handover(&self) -> Vec<PromptMessage> {
        let guide = ResourceContents::text(harbour::GUIDE, "harbour://guide")
            .with_mime_type("text/markdown");
        vec![
            PromptMessage::new(Role::User, ContentBlock::resource(guide)),
            PromptMessage::new_text(
                Role::User,
                "Write the handover for the next shift, with the open notes first.",
            ),
        ]
    }
}
