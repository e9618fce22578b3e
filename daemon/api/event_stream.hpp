#pragma once

#include <cstdint>
#include <string>

#include "daemon/api/http.hpp"
#include "daemon/api/services.hpp"
#include "daemon/api/types.hpp"

namespace banger::api {

/// Server-sent events (HTML standard, section 9.2) of an operation.
std::string progress_frame(const ProgressEvent& event);
/// The last one; `seq` is that of the newest progress, so that resuming after it gives the end
/// again.
std::string end_frame(const OperationInfo& info, std::uint64_t seq);

/// GET /v1/operations/{id}/events. Resumes after Last-Event-ID; a comment every 15 s keeps the
/// stream warm; closes after `event: end`.
Task<void> stream_events(const Request& request, Services& services, Exchange& exchange);

}  // namespace banger::api
