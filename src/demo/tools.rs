//! The tools: one for every kind of schema, answer and trouble that a client meets in the wild.

use std::time::Duration;

use base64::Engine as _;
use rmcp::handler::server::tool::InputResponses;
use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::model::{
    CallToolResponse, CallToolResult, ContentBlock, CreateMessageRequest,
    CreateMessageRequestParams, ElicitRequest, ElicitRequestParams, ElicitationSchema, ErrorData,
    InputRequest, ListRootsRequest, LoggingLevel, ProgressNotificationParam, Resource,
    SamplingMessage,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::{tool, tool_router};
use serde_json::json;

use super::arguments::{
    Beacon, Berths, Booking, Bulletin, Echo, ForecastWish, Gauge, LogExport, LongWork, NewNote,
    NoteId, NoteSearch, Notes, Shift, ShiftChange, Sluice, Sum, SumAnswer, Tone, Wait,
};
use super::asking::{Reply, ask};
use super::harbour::{self, Forecast, Note};
use super::server::Desk;

/// A time that a client sent. JSON has numbers that no clock knows, and nobody waits longer than an hour.
fn seconds(wished: f64) -> Duration {
    Duration::try_from_secs_f64(wished.clamp(0.0, 3600.0)).unwrap_or_default()
}

fn text(text: impl Into<String>) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}

fn trouble(text: impl Into<String>) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(text)])
}

#[tool_router(router = day_tools, vis = "pub(super)")]
impl Desk {
    /// Echoes back what it is given.
    #[tool(
        name = "echo",
        title = "Echo",
        annotations(read_only_hint = true, idempotent_hint = true)
    )]
    async fn echo(&self, Parameters(it): Parameters<Echo>) -> String {
        format!("Echo: {}", it.message)
    }

    /// Returns the sum of two numbers.
    #[tool(
        name = "get-sum",
        title = "Sum",
        annotations(read_only_hint = true, idempotent_hint = true)
    )]
    async fn get_sum(&self, Parameters(it): Parameters<Sum>) -> Json<SumAnswer> {
        Json(SumAnswer {
            result: it.a + it.b,
        })
    }

    /// The weather of the next days, day by day.
    #[tool(
        name = "get-forecast",
        title = "Weather forecast",
        annotations(read_only_hint = true)
    )]
    async fn get_forecast(
        &self,
        Parameters(it): Parameters<ForecastWish>,
    ) -> Result<Json<Forecast>, CallToolResult> {
        if !(1..=7).contains(&it.days) {
            return Err(trouble(format!(
                "forecasts reach from 1 to 7 days, not {}",
                it.days
            )));
        }
        Ok(Json(harbour::forecast(it.place, it.days, it.unit)))
    }

    /// Looks for notes by text and tags.
    #[tool(
        name = "find-notes",
        title = "Find notes",
        annotations(read_only_hint = true)
    )]
    async fn find_notes(&self, Parameters(it): Parameters<NoteSearch>) -> Json<Notes> {
        let books = self.books().await;
        Json(Notes {
            notes: books.find(it.text.as_deref(), &it.tags, it.limit),
        })
    }

    /// Writes a note. Everybody who follows the list of resources hears of it.
    #[tool(
        name = "save-note",
        title = "Save a note",
        annotations(destructive_hint = false)
    )]
    async fn save_note(
        &self,
        Parameters(it): Parameters<NewNote>,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        let note = self
            .books()
            .await
            .save(&it.title, &it.body, it.tags, it.author, it.due);
        self.resources_changed(&context).await;
        let link = Resource::new(format!("note://{}", note.id), note.title)
            .with_mime_type("application/json");
        Ok(CallToolResult::success(vec![
            ContentBlock::text(format!("Saved as note {}.", note.id)),
            ContentBlock::resource_link(link),
        ]))
    }

    /// Deletes a note for good.
    #[tool(
        name = "delete-note",
        title = "Delete a note",
        annotations(destructive_hint = true, idempotent_hint = true)
    )]
    async fn delete_note(
        &self,
        Parameters(it): Parameters<NoteId>,
        context: RequestContext<RoleServer>,
    ) -> CallToolResult {
        let deleted = self.books().await.delete(it.id);
        match deleted {
            Some(note) => {
                self.resources_changed(&context).await;
                text(format!("Deleted “{}”.", note.title))
            }
            None => trouble(format!("there is no note {}", it.id)),
        }
    }

    /// All berths and who lies there.
    #[tool(
        name = "list-berths",
        title = "Berths",
        annotations(read_only_hint = true)
    )]
    async fn list_berths(&self) -> Json<Berths> {
        let berths = self.books().await.berths.clone();
        let free = berths
            .iter()
            .filter(|berth| berth.taken_by.is_none())
            .count();
        Json(Berths { berths, free })
    }

    /// Books the smallest free berth that fits, after asking the skipper to confirm.
    #[tool(name = "book-berth", title = "Book a berth")]
    async fn book_berth(
        &self,
        Parameters(it): Parameters<Booking>,
        InputResponses(replies): InputResponses,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let found = self
            .books()
            .await
            .berths
            .iter()
            .find(|berth| berth.taken_by.is_none() && f64::from(berth.longest_boat) >= it.length)
            .map(|berth| berth.name);
        let Some(berth) = found else {
            return Ok(trouble(format!("no free berth for {} m", it.length)).into());
        };
        let form = booking_form(berth, &it)?;
        let reply = match ask(form, replies, &context).await {
            Reply::Continue(reply) => reply,
            Reply::Break(outcome) => return Ok(outcome.into()),
        };
        if reply["action"] != "accept" {
            return Ok(text(format!("Not booked; berth {berth} stays free.")).into());
        }
        if let Some(taken) = self
            .books()
            .await
            .berths
            .iter_mut()
            .find(|it| it.name == berth)
        {
            taken.taken_by = Some(it.boat.clone());
        }
        eprintln!("harbour: berth {berth} booked for {}", it.boat);
        self.resource_updated("harbour://berths", &context).await;
        let skipper = reply["content"]["skipper"]
            .as_str()
            .unwrap_or("the skipper");
        Ok(text(format!(
            "Berth {berth} is kept for {} ({skipper}), {} night(s).",
            it.boat, it.nights
        ))
        .into())
    }

    /// Has the client's model write a bulletin about a note.
    #[tool(
        name = "write-bulletin",
        title = "Write a bulletin",
        annotations(read_only_hint = true, open_world_hint = true)
    )]
    async fn write_bulletin(
        &self,
        Parameters(it): Parameters<Bulletin>,
        InputResponses(replies): InputResponses,
        context: RequestContext<RoleServer>,
    ) -> CallToolResponse {
        let Some(note) = self.books().await.note(it.note).cloned() else {
            return trouble(format!("there is no note {}", it.note)).into();
        };
        match ask(bulletin_request(&note, it.tone), replies, &context).await {
            Reply::Break(outcome) => outcome.into(),
            Reply::Continue(reply) => {
                let words = reply["content"]["text"].as_str().unwrap_or_default();
                text(format!("NOTICE TO MARINERS\n\n{words}")).into()
            }
        }
    }

    /// Which of the client's folders could hold charts.
    #[tool(
        name = "list-charts",
        title = "Charts",
        annotations(read_only_hint = true)
    )]
    async fn list_charts(
        &self,
        InputResponses(replies): InputResponses,
        context: RequestContext<RoleServer>,
    ) -> CallToolResponse {
        let request = InputRequest::ListRoots(ListRootsRequest::default());
        match ask(request, replies, &context).await {
            Reply::Break(outcome) => outcome.into(),
            Reply::Continue(reply) => {
                let folders = reply["roots"].as_array().map_or(0, Vec::len);
                text(format!("{folders} folder(s) to look for charts in.")).into()
            }
        }
    }

    /// Works for a while and tells how far it has come.
    #[tool(
        name = "long-operation",
        title = "Long operation",
        annotations(read_only_hint = true)
    )]
    async fn long_operation(
        &self,
        Parameters(it): Parameters<LongWork>,
        context: RequestContext<RoleServer>,
    ) -> CallToolResult {
        let steps = it.steps.clamp(1, 1000);
        let pause = seconds(it.duration) / u32::from(steps);
        let token = context.meta.get_progress_token();
        for step in 1..=steps {
            tokio::select! {
                () = context.ct.cancelled() => return trouble("cancelled"),
                () = tokio::time::sleep(pause) => {}
            }
            if let Some(token) = &token {
                let progress = ProgressNotificationParam::new(token.clone(), f64::from(step))
                    .with_total(f64::from(steps))
                    .with_message(format!("sounding the channel, stretch {step} of {steps}"));
                // Whoever does not hear of the progress still gets the answer.
                let _ = context.peer.notify_progress(progress).await;
            }
        }
        text(format!("The channel is clear: {steps} stretches sounded."))
    }

    /// Answers after a while, without a word in between.
    #[tool(name = "slow", title = "Slow", annotations(read_only_hint = true))]
    async fn slow(
        &self,
        Parameters(it): Parameters<Wait>,
        context: RequestContext<RoleServer>,
    ) -> CallToolResult {
        tokio::select! {
            () = context.ct.cancelled() => {
                eprintln!("harbour: a caller hung up before it was answered");
                trouble("cancelled")
            }
            () = tokio::time::sleep(seconds(it.seconds)) => {
                text(format!("Answered after {} s.", it.seconds))
            }
        }
    }

    /// Reads a tide gauge. Number 3 is broken: its answer is an error of the tool.
    #[tool(
        name = "read-gauge",
        title = "Tide gauge",
        annotations(read_only_hint = true)
    )]
    async fn read_gauge(
        &self,
        Parameters(it): Parameters<Gauge>,
        context: RequestContext<RoleServer>,
    ) -> CallToolResult {
        match it.gauge {
            1 | 2 => text(format!("Gauge {}: 1.{} m, rising.", it.gauge, it.gauge * 3)),
            3 => {
                eprintln!("harbour: warning: gauge 3 does not answer");
                let data = json!({"gauge": 3, "lastReading": "2026-11-02T04:10:00Z"});
                self.log(&context, LoggingLevel::Warning, data).await;
                trouble("gauge 3 does not answer; its last reading is from before the storm")
            }
            other => trouble(format!("there is no gauge {other}; there are 1, 2 and 3")),
        }
    }

    /// Opens a sluice gate. Nobody may, so the answer is an error of the protocol.
    #[tool(
        name = "open-sluice",
        title = "Open a sluice",
        annotations(destructive_hint = true)
    )]
    async fn open_sluice(
        &self,
        Parameters(it): Parameters<Sluice>,
    ) -> Result<CallToolResult, ErrorData> {
        Err(ErrorData::internal_error(
            "the sluice controller is not connected",
            Some(json!({"gate": it.gate, "controller": "sluice-1", "retryable": false})),
        ))
    }

    /// What the webcam on the pier sees.
    #[tool(
        name = "take-photo",
        title = "Webcam",
        annotations(read_only_hint = true)
    )]
    async fn take_photo(&self) -> CallToolResult {
        let photo = base64::engine::general_purpose::STANDARD.encode(harbour::WEBCAM);
        CallToolResult::success(vec![
            ContentBlock::text("The pier, a moment ago:"),
            ContentBlock::image(photo, "image/png"),
        ])
    }

    /// The log book as text: a very large answer.
    #[tool(
        name = "export-log",
        title = "Export the log book",
        annotations(read_only_hint = true)
    )]
    async fn export_log(&self, Parameters(it): Parameters<LogExport>) -> String {
        harbour::log_book(it.entries.min(1_000_000))
    }

    /// Hands over to the day or the night shift. At night there is one tool more.
    #[tool(
        name = "set-shift",
        title = "Change of shift",
        annotations(destructive_hint = false, idempotent_hint = true)
    )]
    async fn set_shift(
        &self,
        Parameters(it): Parameters<ShiftChange>,
        context: RequestContext<RoleServer>,
    ) -> String {
        let night = matches!(it.shift, Shift::Night);
        if self.set_night(night) {
            self.tools_changed(&context).await;
        }
        format!(
            "The {} shift has taken over.",
            if night { "night" } else { "day" }
        )
    }
}

#[tool_router(router = night_tools, vis = "pub(super)")]
impl Desk {
    /// Lights the beacon at the end of the pier.
    #[tool(name = "light-beacon", title = "Light the beacon")]
    async fn light_beacon(&self, Parameters(it): Parameters<Beacon>) -> String {
        match it.period {
            Some(period) => format!("The beacon flashes {} every {period} s.", it.colour),
            None => format!("The beacon shines {}.", it.colour),
        }
    }
}

fn booking_form(berth: &str, booking: &Booking) -> Result<InputRequest, ErrorData> {
    let schema = json!({
        "type": "object",
        "properties": {
            "skipper": {"type": "string", "title": "Skipper", "minLength": 1},
            "email": {"type": "string", "format": "email", "description": "Where the bill goes"},
            "crew": {"type": "integer", "minimum": 1, "maximum": 20, "default": 2},
            "shorePower": {"type": "boolean", "description": "Needs power ashore", "default": false},
            "arrival": {"type": "string", "enum": ["morning", "afternoon", "evening"]},
        },
        "required": ["skipper", "arrival"],
    });
    let requested_schema: ElicitationSchema = serde_json::from_value(schema)
        .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    let message = format!(
        "Berth {berth} is free for {}, {} night(s). Who comes, and when?",
        booking.boat, booking.nights
    );
    Ok(InputRequest::Elicitation(ElicitRequest::new(
        ElicitRequestParams::FormElicitationParams {
            meta: None,
            message,
            requested_schema,
        },
    )))
}

fn bulletin_request(note: &Note, tone: Tone) -> InputRequest {
    let tone = match tone {
        Tone::Plain => "plain",
        Tone::Cheerful => "cheerful",
        Tone::Stern => "stern",
    };
    let wish = format!(
        "Write a {tone} notice of two sentences about this note.\n\n{}\n{}",
        note.title, note.body
    );
    let params = CreateMessageRequestParams::new(vec![SamplingMessage::user_text(wish)], 200)
        .with_system_prompt("You are the clerk of a small harbour.")
        .with_metadata(json!({"note": note.id}));
    InputRequest::CreateMessage(CreateMessageRequest::new(params))
}
