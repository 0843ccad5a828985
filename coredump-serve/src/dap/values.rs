//! Answers requests for the variables of a frame, and for the values of expressions in it.

use coredump_core::text::escape_lines;
use serde_json::{Value, json};

use super::LIMITS;
use super::completions::completions;
use super::console::{self, Scene};
use super::memory;
use super::opened::Opened;
use super::stack::{Entry, EntryKind, VariablesOrigin};
use super::variables::{self, Rows, Scope, VariableRow};

impl Opened {
    /// The scopes of a frame.
    pub fn scopes(&mut self, arguments: &Value) -> Result<Value, String> {
        let origin = self.line(arguments)?.origin;
        let scopes = match origin {
            VariablesOrigin::Engine { .. } => {
                let frame = self.engine_frame(origin);
                frame.map_or_else(Vec::new, |(dump, frame, scope)| variables::scopes(dump, &frame, scope))
            }
            VariablesOrigin::Interpreted(number) => {
                self.program.get(number).map_or_else(Vec::new, |(_, frame)| variables::interpreted_scopes(frame))
            }
            VariablesOrigin::Await { task, line } => {
                let dump = &self.dumps[0];
                variables::await_scopes(dump, self.tasks.variables(dump, task, line))
            }
            VariablesOrigin::Runtime | VariablesOrigin::Label => Vec::new(),
        };
        let entry = |Scope { name, hint, expensive, rows }: Scope| {
            let count = if let Rows::Made(rows) = &rows { Some(rows.len()) } else { None };
            let mut scope = json!({
                "name": name,
                "presentationHint": hint,
                "variablesReference": self.handles.add(origin, rows),
                "expensive": expensive,
            });
            if let Some(count) = count {
                scope["namedVariables"] = json!(count);
            }
            scope
        };
        let entries: Vec<_> = scopes.into_iter().map(entry).collect();
        Ok(json!({"scopes": entries}))
    }

    /// The variables of a scope, or the parts of a variable.
    pub fn variables(&mut self, arguments: &Value) -> Result<Value, String> {
        let number = arguments["variablesReference"].as_u64().unwrap_or(0);
        let start = arguments["start"].as_u64().unwrap_or(0) as usize;
        let count = arguments["count"].as_u64().filter(|&count| count > 0).map_or(usize::MAX, |count| count as usize);
        let (origin, rows) = self.handles.get(number).ok_or_else(|| format!("there are no variables {number}"))?;
        let rows = match rows {
            Rows::Made(rows) => rows,
            Rows::Statics => {
                let frame = self.engine_frame(origin);
                frame.map(|(dump, frame, _)| variables::statics(dump, &frame)).unwrap_or_default()
            }
        };
        let is_element = |row: &VariableRow| row.name.starts_with('[');
        let wanted = |row: &VariableRow| match arguments["filter"].as_str() {
            Some("indexed") => is_element(row),
            Some("named") => !is_element(row),
            _ => true,
        };
        let shown: Vec<_> = rows.into_iter().filter(wanted).skip(start).take(count).collect();
        let shown: Vec<_> = shown.into_iter().map(|row| self.row(origin, row)).collect();
        Ok(json!({"variables": shown}))
    }

    fn row(&mut self, origin: VariablesOrigin, mut row: VariableRow) -> Value {
        // Parts that are deeper than what was sent are evaluated when they are opened.
        if row.parts.is_empty()
            && let Some(expression) = &row.expression
            && let Some((dump, frame, scope)) = self.engine_frame(origin)
            && (row.may_have_parts || dump.objects().objects().is_some() && is_name(&row.value))
            && let Ok(value) = frame.evaluate_in(scope, expression, LIMITS)
        {
            row.parts = VariableRow::new(&value, Some(expression.clone()), memory::memory_of(dump, &frame)).parts;
        }
        let elements = row.parts.iter().filter(|part| part.name.starts_with('[')).count();
        let named = row.parts.len() - elements;
        let reference = if row.parts.is_empty() { 0 } else { self.handles.add(origin, Rows::Made(row.parts)) };
        let mut entry = json!({
            "name": row.name,
            "value": row.value,
            "type": row.type_name,
            "variablesReference": reference,
        });
        if elements > 0 {
            entry["indexedVariables"] = json!(elements);
            entry["namedVariables"] = json!(named);
        }
        if let Some(expression) = row.expression {
            entry["evaluateName"] = json!(expression);
        }
        if let Some(place) = row.place {
            entry["memoryReference"] = json!(place.text());
        }
        entry
    }

    /// The context of the frame that a request names, or else of the youngest frame of the thread that crashed.
    fn scene(&self, arguments: &Value) -> Result<(VariablesOrigin, Scene<'_>), String> {
        let origin = match (arguments["frameId"].is_null(), self.entries.get(self.crashed)) {
            (true, Some(&Entry { dump, kind: EntryKind::Thread(thread), .. })) => {
                VariablesOrigin::Engine { dump, thread, frame: 0, scope: 0 }
            }
            (true, _) => VariablesOrigin::Runtime,
            (false, _) => self.line(arguments)?.origin,
        };
        let scene = match self.engine_frame(origin) {
            Some((dump, frame, scope)) => Scene { dump, tasks: &self.tasks, frame: Some((frame, scope)) },
            None => Scene { dump: self.dump(), tasks: &self.tasks, frame: None },
        };
        Ok((origin, scene))
    }

    /// The answer with the value of an expression, or, in the console, with the output of a command.
    pub fn evaluate(&mut self, arguments: &Value) -> Result<Value, String> {
        let expression = arguments["expression"].as_str().unwrap_or_default().trim();
        let (origin, scene) = self.scene(arguments)?;
        if arguments["context"] == "repl"
            && let Some(said) = console::run(&scene, expression)
        {
            return Ok(json!({"result": escape_lines(&said?), "variablesReference": 0}));
        }
        if let Some(rows) = self.named_rows(origin) {
            let found = rows.into_iter().find(|row| row.name == expression);
            let found = found.ok_or("of this frame, variables can be named and nothing else")?;
            return Ok(evaluated(self.row(origin, found)));
        }
        let (frame, scope) = scene.frame.as_ref().ok_or("nothing is known of this frame's variables")?;
        let value = frame.evaluate_in(*scope, expression, LIMITS);
        let value = value.map_err(|error| format!("column {}: {}", error.column, error.message))?;
        let row = VariableRow::new(&value, Some(expression.to_owned()), memory::memory_of(scene.dump, frame));
        Ok(evaluated(self.row(origin, row)))
    }

    /// The variables of a frame that is not one of the engine's.
    fn named_rows(&self, origin: VariablesOrigin) -> Option<Vec<VariableRow>> {
        let scopes = match origin {
            VariablesOrigin::Interpreted(number) => variables::interpreted_scopes(&self.program.get(number)?.1),
            VariablesOrigin::Await { task, line } => {
                let dump = &self.dumps[0];
                variables::await_scopes(dump, self.tasks.variables(dump, task, line))
            }
            _ => return None,
        };
        let rows = scopes.into_iter().flat_map(|scope| match scope.rows {
            Rows::Made(rows) => rows,
            Rows::Statics => Vec::new(),
        });
        Some(rows.collect())
    }

    /// The completions of what was typed.
    pub fn completions(&self, arguments: &Value) -> Result<Value, String> {
        let (_, scene) = self.scene(arguments)?;
        Ok(completions(&scene, arguments))
    }
}

/// Converts a variable's row to the value of an expression.
fn evaluated(mut row: Value) -> Value {
    if let Some(body) = row.as_object_mut() {
        // In this response, the field has another name.
        let value = body.remove("value").unwrap_or_default();
        body.insert("result".to_owned(), value);
        body.remove("name");
        body.remove("evaluateName");
    }
    row
}

/// Returns true if a value may be an object that was too deep to be written: it is neither a number nor a string.
fn is_name(value: &str) -> bool {
    value.starts_with(char::is_alphabetic) && value != "null"
}
