#include "cli/vm_batch.hpp"

#include <algorithm>
#include <memory>

#include "cli/interrupts.hpp"
#include "cli/operation_wait.hpp"
#include "daemon/vm_ref.hpp"
#include "pipelines/io/task_group.hpp"

namespace banger::cli {
namespace {

/// A connection of its own, for a client asks one thing at a time. Progress of one VM is shown,
/// that of several would be a jumble.
Session make_session(const Session& session, bool alone) {
    return {session.executor,       session.pool,
            session.paths,          ApiClient(session.executor, session.paths.socket()),
            session.json || !alone, session.verbose};
}

Task<boost::json::value> ask_one(Session& session, Interrupts& interrupts, VmRequest request,
                                 std::string id) {
    auto answer = co_await request(session, std::move(id));
    co_return co_await finish_request(session, interrupts, std::move(answer));
}

/// What goes wrong with one VM is its answer; only what ends the whole command is thrown.
Task<void> ask(Session session, Interrupts& interrupts, VmRequest request, VmAnswer& answer) {
    try {
        answer.result = co_await ask_one(session, interrupts, std::move(request), answer.target.id);
    } catch (const DaemonUnreachable&) {
        throw;
    } catch (const Interrupted&) {
        throw;
    } catch (const Error& error) {
        answer.error = error.what();
    }
}

VmTarget resolve(const std::string& ref, const std::vector<VmKey>& keys) {
    VmTarget target{ref, "", ref, ""};
    try {
        target.id = resolve_vm_ref(ref, keys);
        const auto found = std::ranges::find(keys, target.id, &VmKey::id);
        target.name = found->name;
    } catch (const Error& error) {
        target.error = error.what();
    }
    return target;
}

Task<int> run_batch(Session& session, VmBatch batch) {
    auto targets = co_await resolve_vms(session, batch.vms);
    const auto answers = co_await ask_vms(session, std::move(targets), batch.request);
    co_return report(session, answers, batch.done);
}

}  // namespace

std::string vm_target(const std::string& vm, const std::string& rest) {
    return "/v1/vms/" + encode_segment(vm) + rest;
}

Task<std::vector<VmTarget>> resolve_vms(Session& session, std::vector<std::string> refs) {
    const auto answer = co_await session.client.get("/v1/vms");
    std::vector<VmKey> keys;
    for (const auto& vm : from_json<std::vector<api::VmInfo>>(answer))
        keys.push_back({vm.id, vm.name});
    std::vector<VmTarget> targets;
    for (const auto& ref : refs) {
        auto target = resolve(ref, keys);
        const auto& known = target.id.empty() ? &VmTarget::ref : &VmTarget::id;
        const auto& value = target.id.empty() ? target.ref : target.id;
        if (std::ranges::find(targets, value, known) == targets.end()) {
            targets.push_back(std::move(target));
        }
    }
    co_return targets;
}

Task<std::vector<VmAnswer>> ask_vms(Session& session, std::vector<VmTarget> targets,
                                    VmRequest request) {
    Interrupts interrupts(session.executor);
    std::vector<VmAnswer> answers;
    for (auto& target : targets)
        answers.push_back({target, nullptr, target.error});
    TaskGroup group(session.executor);
    for (auto& answer : answers) {
        if (!answer.error.empty()) continue;
        group.spawn(ask(make_session(session, answers.size() == 1), interrupts, request, answer));
    }
    co_await group.join();
    co_return answers;
}

int report(const Session& session, const std::vector<VmAnswer>& answers, const std::string& done) {
    int status = 0;
    boost::json::array results;
    for (const auto& answer : answers) {
        boost::json::object row{{"vm", answer.target.ref}};
        if (!answer.target.id.empty()) row["id"] = answer.target.id;
        if (!answer.error.empty()) {
            say("banger: " + answer.error);
            status = kExitFailed;
            row["error"] = answer.error;
        } else {
            row["result"] = done;
            if (!session.json) print(fmt::format("{} {}\n", done, answer.target.ref));
        }
        results.push_back(std::move(row));
    }
    if (session.json) print_json(results);
    return status;
}

CLI::App* add_vm_batch(CLI::App& parent, const std::string& name, const std::string& help,
                       const std::shared_ptr<VmBatch>& batch, Invocation& invocation) {
    auto* command = add_command(parent, name, help, invocation);
    command->add_option("vm", batch->vms, "names, ids, or beginnings of ids")->required();
    command->callback([batch, &invocation] {
        invocation.action = [batch](Session& session) { return run_batch(session, *batch); };
    });
    return command;
}

}  // namespace banger::cli
