#include <boost/asio/this_coro.hpp>
#include <utility>

#include "daemon/image/directories.hpp"
#include "daemon/vm/boot.hpp"
#include "daemon/vm/change.hpp"
#include "daemon/vm/create.hpp"
#include "daemon/vm/file_tail.hpp"
#include "daemon/vm/instance.hpp"
#include "daemon/vm/observe.hpp"
#include "daemon/vm/pause.hpp"
#include "daemon/vm/ports.hpp"
#include "daemon/vm/reconcile.hpp"
#include "daemon/vm/stop.hpp"
#include "daemon/vm/supervise.hpp"
#include "daemon/vm/unreadable.hpp"
#include "daemon/vm/vm_disks.hpp"
#include "daemon/vm/vm_names.hpp"
#include "daemon/vm_ref.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::vm {

namespace asio = boost::asio;

namespace {

/// How long exec waits for an agent that is between two connections.
constexpr std::chrono::seconds kAgentPatience{10};

class Service final : public VmService {
  public:
    explicit Service(VmDependencies dependencies) : context_(std::move(dependencies)) {}

    Task<std::vector<api::VmInfo>> list() override;
    Task<api::VmInfo> show(std::string ref) override;
    Task<api::VmInfo> create(api::VmCreateRequest request, ProgressSink progress) override;
    Task<api::VmInfo> start(std::string ref, ProgressSink progress) override;
    Task<api::VmInfo> stop(std::string ref, int seconds, ProgressSink progress) override;
    Task<api::VmInfo> restart(std::string ref, int seconds, ProgressSink progress) override;
    Task<api::VmInfo> kill(std::string ref, int signal) override;
    Task<void> remove(std::string ref, bool force, ProgressSink progress) override;
    Task<api::VmInfo> change(std::string ref, api::VmChangeRequest request) override;
    Task<api::VmStats> stats(std::string ref) override;
    Task<api::VmHealth> health(std::string ref) override;
    Task<api::VmInfo> pause(std::string ref) override;
    Task<api::VmInfo> resume(std::string ref) override;
    Task<std::unique_ptr<ExecSession>> exec(std::string ref, api::ExecRequest request) override;
    Task<std::unique_ptr<net::GuestConnection>> connect(std::string ref,
                                                        std::uint16_t port) override {
        return connect_guest(find(ref), port);
    }
    Task<api::VmPorts> ports(std::string ref) override { return list_ports(find(ref)); }
    Task<api::VmPorts> publish(std::string ref, api::PublishedPort port) override;
    Task<api::VmPorts> unpublish(std::string ref, std::string address, std::uint16_t host) override;
    Task<api::VmPorts> publish_all(std::string ref, bool enabled) override;
    Task<std::string> serial_log(std::string ref, std::size_t bytes) override;
    Task<void> reconcile() override { return reconcile_vms(context_); }
    Task<void> close() override;

  private:
    /// A VM whose lock is held, and which was not deleted meanwhile.
    struct Locked {
        InstancePtr vm;
        AsyncLock::Held held;
    };

    std::string resolve(const std::string& ref) const;
    InstancePtr find(const std::string& ref) const;
    Task<Locked> lock(std::string ref);
    Task<Locked> interrupt_and_lock(std::string ref);
    void check_name_is_free(const std::string& name) const;
    std::vector<std::string> names() const;
    Task<InstancePtr> record_new(VmRecord record);
    Task<InstancePtr> change_locked(std::string ref, api::VmChangeRequest request);
    Task<void> bring_up(InstancePtr vm, api::VmCreateRequest request, ProgressSink progress);
    Task<AsyncLock::Held> interrupt(InstancePtr vm);
    Task<void> undo_creation(InstancePtr vm, bool keep_unanswered, std::exception_ptr error);

    VmContext context_;
};

BootOptions boot_options(const api::VmCreateRequest& request, const Config& config) {
    return {request.wait == "system", request.boot_seconds.value_or(config.boot_seconds)};
}

std::string Service::resolve(const std::string& ref) const {
    std::vector<VmKey> keys;
    keys.reserve(context_.instances.size() + context_.unreadable.size());
    for (const auto& [id, vm] : context_.instances)
        keys.push_back({id, vm->record.name});
    for (const auto& [id, vm] : context_.unreadable)
        keys.push_back({id, vm.name});
    return resolve_vm_ref(ref, keys);
}

InstancePtr Service::find(const std::string& ref) const {
    auto id = resolve(ref);
    if (auto bad = context_.unreadable.find(id); bad != context_.unreadable.end()) {
        fail(Errc::conflict,
             "the record of vm '{}' cannot be read: {}; it can only be deleted, with --force",
             bad->second.name, bad->second.why);
    }
    return context_.instances.at(id);
}

Task<Service::Locked> Service::lock(std::string ref) {
    auto vm = find(ref);
    auto held = co_await vm->lock.acquire();
    if (vm->removed) fail(Errc::not_found, "vm '{}' was deleted", vm->record.name);
    co_return Locked{std::move(vm), std::move(held)};
}

Task<Service::Locked> Service::interrupt_and_lock(std::string ref) {
    auto vm = find(ref);
    auto held = co_await interrupt(vm);
    if (vm->removed) fail(Errc::not_found, "vm '{}' was deleted", vm->record.name);
    co_return Locked{std::move(vm), std::move(held)};
}

std::vector<std::string> Service::names() const {
    std::vector<std::string> names;
    names.reserve(context_.instances.size() + context_.unreadable.size());
    for (const auto& [id, vm] : context_.instances)
        names.push_back(vm->record.name);
    for (const auto& [id, vm] : context_.unreadable)
        names.push_back(vm.name);
    return names;
}

void Service::check_name_is_free(const std::string& name) const {
    for (const auto& taken : names()) {
        if (taken == name) fail(Errc::already_exists, "a vm named '{}' exists already", name);
    }
}

Task<std::vector<api::VmInfo>> Service::list() {
    // What is sorted is small; what is told of a VM is not, and there may be a thousand.
    std::vector<const VmRecord*> records;
    records.reserve(context_.instances.size());
    for (const auto& [id, vm] : context_.instances)
        records.push_back(&vm->record);
    std::ranges::sort(records, {}, &VmRecord::created_at);
    std::vector<api::VmInfo> infos;
    infos.reserve(records.size() + context_.unreadable.size());
    for (const auto& [id, vm] : context_.unreadable)
        infos.push_back(to_info(id, vm));
    for (const auto* record : records)
        infos.push_back(to_info(*record));
    co_return infos;
}

Task<api::VmInfo> Service::show(std::string ref) {
    auto id = resolve(ref);
    if (auto bad = context_.unreadable.find(id); bad != context_.unreadable.end())
        co_return to_info(id, bad->second);
    co_return to_info(context_.instances.at(id)->record);
}

Task<api::VmInfo> Service::create(api::VmCreateRequest request, ProgressSink progress) {
    auto record = plan_vm(request, context_.deps.config);
    check_name_is_free(record.name);
    co_await choose_parts(context_, record, request, progress);
    auto vm = co_await record_new(std::move(record));
    bool keep_unanswered = request.keep_unanswered;
    std::exception_ptr error;
    try {
        auto held = co_await vm->lock.acquire();
        // Whoever knew its name was first: nothing is to be made for it now.
        if (vm->removed) {
            fail(Errc::conflict, "vm '{}' was deleted while it was made", vm->record.name);
        }
        co_await bring_up(vm, std::move(request), std::move(progress));
        co_return to_info(vm->record);
    } catch (...) {
        error = std::current_exception();
    }
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await undo_creation(vm, keep_unanswered, error);
    std::rethrow_exception(error);
}

/// Its VMM lived until the deadline, and its guest never said a word.
bool never_answered(const VmRecord& record) {
    return record.state == VmState::error && record.boot && record.boot->vmm_exit.empty() &&
           !record.boot_id;
}

/// Throws what the caller is told instead of `error`, if anything.
Task<void> Service::undo_creation(InstancePtr vm, bool keep_unanswered, std::exception_ptr error) {
    auto held = co_await vm->lock.acquire();
    if (vm->removed) co_return;
    if (!keep_unanswered || !never_answered(vm->record)) {
        co_await destroy(context_, vm);
        co_return;
    }
    vm->record.provisional = false;
    co_await context_.save(*vm);
    try {
        std::rethrow_exception(error);
    } catch (const Error& e) {
        throw Error(e.code(), fmt::format("{}\nvm '{}' is kept for a look: banger vm logs {}",
                                          e.what(), vm->record.name, vm->record.name));
    }
}

/// From here on the VM is known, and a crash of the daemon takes it back.
Task<InstancePtr> Service::record_new(VmRecord record) {
    if (record.name.empty()) record.name = generate_vm_name(names());
    check_name_is_free(record.name);
    record.id = generate_vm_id();
    record.address = context_.free_address(record.id);
    record.provisional = true;
    auto vm = std::make_shared<Instance>(context_.deps.executor, std::move(record));
    context_.instances[vm->record.id] = vm;
    std::exception_ptr error;
    try {
        co_await context_.deps.store.insert(store::Table::vms, to_store(vm->record));
        co_return vm;
    } catch (...) {
        error = std::current_exception();
    }
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    // A cancelled insert may have been done all the same.
    co_await context_.forget(vm);
    std::rethrow_exception(error);
}

Task<void> Service::bring_up(InstancePtr vm, api::VmCreateRequest request, ProgressSink progress) {
    auto directory = context_.directory(vm->record);
    if (progress) progress({.stage = "disk"});
    co_await run_blocking(context_.deps.pool, [&](std::stop_token stop) {
        make_directories_blocking(directory);
        make_disk_blocking(vm->record, directory, stop, context_.deps.config.disk_reserve);
    });
    if (request.start) {
        co_await boot(context_, vm, boot_options(request, context_.deps.config), progress);
    }
    vm->record.provisional = false;
    co_await context_.save(*vm);
}

Task<api::VmInfo> Service::start(std::string ref, ProgressSink progress) {
    auto [vm, held] = co_await lock(std::move(ref));
    // Starting what runs is done already.
    if (vm->record.state == VmState::running) co_return to_info(vm->record);
    if (vm->record.state == VmState::paused) {
        fail(Errc::conflict, "vm '{}' is paused; resume it", vm->record.name);
    }
    auto options = boot_options({}, context_.deps.config);
    co_await boot(context_, vm, options, std::move(progress));
    co_return to_info(vm->record);
}

/// A boot under way holds the lock, perhaps for a minute: it is told to end.
Task<AsyncLock::Held> Service::interrupt(InstancePtr vm) {
    struct Interrupt {
        Instance& vm;
        explicit Interrupt(Instance& instance) : vm(instance) {
            ++vm.interrupts;
            vm.interrupted.notify();
        }
        ~Interrupt() { --vm.interrupts; }
    } interrupt(*vm);
    bool booting = vm->record.state == VmState::starting;
    if (booting && vm->run && vm->run->machine) vm->run->machine->kill();
    co_return co_await vm->lock.acquire();
}

Task<api::VmInfo> Service::stop(std::string ref, int seconds, ProgressSink progress) {
    auto [vm, held] = co_await interrupt_and_lock(std::move(ref));
    // Stopping what is stopped is done already.
    if (may_have_vmm(vm->record.state)) {
        co_await vm::stop(context_, vm, seconds, std::move(progress));
    }
    co_return to_info(vm->record);
}

Task<api::VmInfo> Service::restart(std::string ref, int seconds, ProgressSink progress) {
    auto [vm, held] = co_await interrupt_and_lock(std::move(ref));
    if (may_have_vmm(vm->record.state)) co_await vm::stop(context_, vm, seconds, progress);
    auto options = boot_options({}, context_.deps.config);
    co_await boot(context_, vm, options, std::move(progress));
    co_return to_info(vm->record);
}

Task<api::VmInfo> Service::kill(std::string ref, int signal) {
    auto [vm, held] = co_await interrupt_and_lock(std::move(ref));
    if (may_have_vmm(vm->record.state)) co_await vm::kill(context_, vm, signal);
    co_return to_info(vm->record);
}

/// Its own creation may be ended without force: nobody has had the VM yet.
void check_not_in_use(const VmRecord& record) {
    bool starting = record.state == VmState::starting && !record.provisional;
    if (!starting && !is_up(record.state)) return;
    fail(Errc::conflict, "vm '{}' is {}; stop it first, or use --force", record.name,
         to_string(record.state));
}

Task<void> Service::remove(std::string ref, bool force, ProgressSink) {
    auto id = resolve(ref);
    if (force && context_.unreadable.contains(id)) {
        co_return co_await destroy_unreadable(context_, std::move(id));
    }
    auto vm = find(id);
    // Before the lock, which a start holds for long, and again under it.
    if (!force) check_not_in_use(vm->record);
    bool ends_boot = force || vm->record.provisional;
    auto held = co_await (ends_boot ? interrupt(vm) : vm->lock.acquire());
    // Somebody else, or its own creation that was ended, may have removed it meanwhile.
    if (vm->removed) co_return;
    if (!force) check_not_in_use(vm->record);
    co_await destroy(context_, vm);
}

Task<api::VmInfo> Service::pause(std::string ref) {
    auto [vm, held] = co_await lock(std::move(ref));
    co_await vm::pause(context_, vm, "asked for");
    co_return to_info(vm->record);
}

Task<api::VmInfo> Service::resume(std::string ref) {
    auto [vm, held] = co_await lock(std::move(ref));
    co_await vm::resume(context_, vm);
    co_return to_info(vm->record);
}

Task<InstancePtr> Service::change_locked(std::string ref, api::VmChangeRequest request) {
    auto [vm, held] = co_await lock(std::move(ref));
    if (request.name && *request.name != vm->record.name) check_name_is_free(*request.name);
    co_await vm::change(context_, vm, std::move(request));
    co_return std::move(vm);
}

Task<api::VmInfo> Service::change(std::string ref, api::VmChangeRequest request) {
    co_return to_info((co_await change_locked(std::move(ref), std::move(request)))->record);
}

Task<api::VmStats> Service::stats(std::string ref) {
    return observe(context_, find(ref));
}

Task<api::VmHealth> Service::health(std::string ref) {
    return examine(find(ref));
}

Task<std::unique_ptr<ExecSession>> Service::exec(std::string ref, api::ExecRequest request) {
    auto vm = find(ref);
    if (request.command.empty()) fail(Errc::invalid_argument, "no command given");
    if (vm->record.state != VmState::running || !vm->run) {
        fail(Errc::conflict, "vm '{}' is {}, not running", vm->record.name,
             to_string(vm->record.state));
    }
    auto what = fmt::format("the agent of vm '{}' is not connected; its console may say why",
                            vm->record.name);
    auto agent = co_await with_timeout(kAgentPatience, wait_agent(vm->run), std::move(what));
    co_return co_await agent->exec(std::move(request));
}

Task<api::VmPorts> Service::publish(std::string ref, api::PublishedPort port) {
    api::VmChangeRequest request{.publish = std::vector{std::move(port)}};
    co_return co_await list_ports(co_await change_locked(std::move(ref), std::move(request)));
}

Task<api::VmPorts> Service::unpublish(std::string ref, std::string address, std::uint16_t host) {
    api::PublishedPort port{std::move(address), host, host};
    api::VmChangeRequest request{.unpublish = std::vector{std::move(port)}};
    co_return co_await list_ports(co_await change_locked(std::move(ref), std::move(request)));
}

Task<api::VmPorts> Service::publish_all(std::string ref, bool enabled) {
    api::VmChangeRequest request{.publish_all = enabled};
    co_return co_await list_ports(co_await change_locked(std::move(ref), std::move(request)));
}

Task<std::string> Service::serial_log(std::string ref, std::size_t bytes) {
    auto path = context_.directory(find(ref)->record) + "/serial.log";
    auto read = [&](std::stop_token) { return read_tail_blocking(path, bytes); };
    co_return co_await run_blocking(context_.deps.pool, read);
}

Task<void> Service::close() {
    context_.background.cancel();
    co_await context_.background.join();
}

}  // namespace

std::unique_ptr<VmService> make_vm_service(VmDependencies dependencies) {
    return std::make_unique<Service>(std::move(dependencies));
}

}  // namespace banger::vm
