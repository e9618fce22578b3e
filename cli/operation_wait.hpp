#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <vector>

#include "cli/interrupts.hpp"
#include "cli/session.hpp"
#include "daemon/api/types.hpp"
#include "pipelines/io/task.hpp"

namespace banger::cli {

/// Shows the progress of an operation and returns it when it has ended, however it ended. The first
/// interrupt cancels it, waits for that, and throws Interrupted unless the end was quicker; the
/// second leaves the process. Throws DaemonUnreachable when the daemon goes away and stays away for
/// seconds, Error{not_found} when one comes back that does not know the operation. Its events of
/// stage "profile" are not shown; they go to `profile`, if that is given.
Task<api::OperationInfo> follow_operation(Session& session, Interrupts& interrupts,
                                          api::OperationInfo operation,
                                          std::vector<api::ProgressEvent>* profile = nullptr);

/// The result of an operation; its error, as Error, when it failed or was cancelled.
const boost::json::value& require_success(const api::OperationInfo& operation);

/// Whether an answer is an accepted operation, rather than a result that was there at once.
bool is_operation(const boost::json::value& answer);
/// The result behind an answer: of the operation, once it has succeeded, or the answer itself.
Task<boost::json::value> finish_request(Session& session, Interrupts& interrupts,
                                        boost::json::value answer,
                                        std::vector<api::ProgressEvent>* profile = nullptr);

/// Sends the request, follows the operation it answers with, and returns the result.
Task<boost::json::value> run_operation(Session& session, std::string target,
                                       boost::json::value body,
                                       std::vector<api::ProgressEvent>* profile = nullptr);
/// The same for a request whose body is what comes through standard input. An interrupt on the way
/// leaves nothing at the daemon.
Task<boost::json::value> run_upload(Session& session, std::string target,
                                    std::vector<api::ProgressEvent>* profile = nullptr);
Task<boost::json::value> run_removal(Session& session, std::string target);

}  // namespace banger::cli
