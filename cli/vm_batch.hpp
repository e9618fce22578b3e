#pragma once

#include <boost/json/value.hpp>
#include <functional>
#include <string>
#include <vector>

#include "cli/commands.hpp"
#include "cli/session.hpp"
#include "daemon/api/types.hpp"
#include "pipelines/io/task.hpp"

namespace banger::cli {

/// "/v1/vms/<vm>" and what follows.
std::string vm_target(const std::string& vm, const std::string& rest = "");

/// A VM that was named on the command line, as one look at the list resolved it; `error` says why
/// it could not be.
struct VmTarget {
    std::string ref;  ///< as it was typed
    std::string id;
    std::string name;
    std::string error;
};

/// In the order they were named, each VM once. One that cannot be resolved does not stop the
/// others.
Task<std::vector<VmTarget>> resolve_vms(Session& session, std::vector<std::string> refs);

/// What is asked of one VM; an operation in the answer is waited for.
using VmRequest = std::function<Task<boost::json::value>(Session&, std::string id)>;

struct VmAnswer {
    VmTarget target;
    boost::json::value result;
    std::string error;
};

/// Asks all of them at once and returns when every answer is there, in the order of the targets.
/// The first interrupt cancels what is under way.
Task<std::vector<VmAnswer>> ask_vms(Session& session, std::vector<VmTarget> targets,
                                    VmRequest request);

/// Says each error, prints "<done> <vm>" for each success (or JSON), and gives the exit status.
int report(const Session& session, const std::vector<VmAnswer>& answers, const std::string& done);

/// A command that does the same to several VMs: `banger vm stop a b c`.
struct VmBatch {
    std::vector<std::string> vms;
    std::string done;  ///< "stopped"
    VmRequest request;
};
CLI::App* add_vm_batch(CLI::App& parent, const std::string& name, const std::string& help,
                       const std::shared_ptr<VmBatch>& batch, Invocation& invocation);

}  // namespace banger::cli
