//! `lifeboat init [DIR]`: a small commented workspace that runs at once on the built-in simulator.

use super::{Answer, Desk, Exit, Said, shown};
use crate::diag::{Code, Finding};

/// The workspace that is written: the example of one machine.
const WORKSPACE: &str = include_str!("../../examples/single/lifeboat.yaml");

/// Carries the command out.
///
/// # Errors
/// An early end.
pub fn init(desk: &Desk) -> Said {
    let path = desk.folder.join("lifeboat.yaml");
    std::fs::create_dir_all(&desk.folder).map_err(|e| super::unwritten(&desk.folder, &e))?;
    // Documents of a workspace can have any name, and the example's sites and replicas beside them would break it.
    let there = if path.exists() { Some(path.clone()) } else { super::load::first_document(&desk.folder) };
    if let Some(there) = there {
        let finding =
            Finding::new(Code::WorkspaceExists, "there is a workspace already").about(shown(&there));
        return Err(Answer::stop(Exit::Invalid, finding.help("nothing was changed; name another folder")));
    }
    // The schema's place beside the examples is of no use elsewhere; `lifeboat schema` writes one.
    let text = WORKSPACE.replace("../../schemas/lifeboat.v1.schema.json", "lifeboat.v1.schema.json");
    super::write_file(&path, text.as_bytes())?;
    let schema = serde_json::to_vec_pretty(&crate::document::schema()).unwrap_or_default();
    super::write_file(&desk.folder.join("lifeboat.v1.schema.json"), &schema)?;
    let folder = shown(&desk.folder);
    let human = format!(
        "Wrote {} and its schema for editors.\nNext: lifeboat -C {folder} plan failover-web\n",
        shown(&path)
    );
    Ok(Answer::ok(human, serde_json::json!({ "format": 1, "type": "init", "file": shown(&path) })))
}
