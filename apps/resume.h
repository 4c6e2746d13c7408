#pragma once
// Going on with a run: what is read and compared before anything in its directory changes.
#include <optional>
#include <string>
#include <vector>

#include "apps/checkpoint.h"
#include "apps/run_directory.h"
#include "apps/session.h"

namespace nagare::apps {

struct ResumePoint {
  std::optional<FoundCheckpoint> checkpoint;  // none: the run was stopped before its first
  std::vector<std::string> warnings = {};
};

// The newest good checkpoint, if the run has one.
// errors  BadCheckpoint: it has some, none of them good; OtherSchema
ResumePoint find_resume_point(const io::Path& run);

// The configuration of the run is the base; of what was asked for only options of how it runs may differ. Device, threads
// and precision that nobody asks for are those of the checkpoint, whatever `auto` would give here.
// errors  BadConfig with every other difference
Settings resumed_settings(const Settings& asked, const io::Path& run, const ResumePoint& point);

// Writes the state into the session's trainer, when its stream is the checkpoint's and the same bits can come out.
// allow_inexact: another device, processor or number of threads is a warning
// errors  BadCheckpoint: another stream, other arithmetic, or state that does not fit
void restore(Session& session, ResumePoint& point, bool allow_inexact);

// Puts the run's files in the state of the checkpoint, the first change to any of them: metrics.jsonl ends there, and
// damaged checkpoints no longer bear the name of one. Adds to the warnings.
Trained rewind(RunDirectory& run, ResumePoint& point);

}  // namespace nagare::apps
