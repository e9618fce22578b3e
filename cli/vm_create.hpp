#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/interrupts.hpp"
#include "cli/session.hpp"
#include "daemon/api/types.hpp"
#include "pipelines/io/task.hpp"

namespace banger::cli {

/// Options that `vm run` and `vm create` share.
struct CreateFlags {
    api::VmCreateRequest request;
    std::optional<std::uint64_t> memory_bytes;
    std::vector<std::string> publish;
};

void add_create_flags(CLI::App& command, CreateFlags& flags);
/// What the daemon is asked for.
api::VmCreateRequest make_create_request(const CreateFlags& flags);

/// Creates (and starts) a VM and says its spec line. What fails or is interrupted leaves no VM but
/// one whose guest never answered, for a look at it; the error of a failed boot carries its verdict
/// and the end of the serial log.
Task<api::VmInfo> create_vm(Session& session, Interrupts& interrupts, api::VmCreateRequest request);

/// Deletes whatever state it is in, within 60 s. The first interrupt meanwhile is not heeded.
Task<void> delete_vm(Session& session, Interrupts& interrupts, std::string id);

}  // namespace banger::cli
