#include "daemon/vm/vmm_process.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <filesystem>

#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/process_stat.hpp"

namespace banger::vm {
namespace {

class ChildMachine final : public Machine {
  public:
    explicit ChildMachine(Subprocess process) : process_(std::move(process)) {}
    MachineHandle handle() const override { return {process_.pid(), process_.start_time()}; }
    Task<std::optional<ExitStatus>> wait_end() override { co_return co_await process_.wait(); }
    void kill() noexcept override { process_.signal(SIGKILL); }

  private:
    Subprocess process_;
};

class AdoptedMachine final : public Machine {
  public:
    AdoptedMachine(MachineHandle handle, std::unique_ptr<ForeignProcess> process)
        : handle_(handle), process_(std::move(process)) {}
    MachineHandle handle() const override { return handle_; }
    Task<std::optional<ExitStatus>> wait_end() override {
        co_await process_->wait_gone();
        co_return std::nullopt;
    }
    void kill() noexcept override { process_->signal(SIGKILL); }

  private:
    MachineHandle handle_;
    std::unique_ptr<ForeignProcess> process_;
};

std::optional<int> pid_of(const std::filesystem::path& directory) {
    auto name = directory.filename().string();
    int pid = 0;
    auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
    return pid;
}

bool was_given(const std::filesystem::path& directory, const std::string& argument) {
    struct stat status{};
    if (::stat(directory.c_str(), &status) != 0 || status.st_uid != ::geteuid()) return false;
    try {
        return read_file(directory / "cmdline").find(argument) != std::string::npos;
    } catch (const Error&) {
        return false;  // it has ended meanwhile
    }
}

}  // namespace

std::unique_ptr<Machine> make_child_machine(Subprocess process) {
    return std::make_unique<ChildMachine>(std::move(process));
}

std::unique_ptr<Machine> find_machine(boost::asio::any_io_executor executor,
                                      const MachineHandle& handle) {
    auto process = ForeignProcess::find(std::move(executor), handle.pid, handle.start_time);
    if (!process) return nullptr;
    return std::make_unique<AdoptedMachine>(handle, std::move(process));
}

std::optional<MachineHandle> find_process_with_argument_blocking(const std::string& argument) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
        auto pid = pid_of(entry.path());
        if (!pid || *pid == ::getpid() || !was_given(entry.path(), argument)) continue;
        auto stat = read_process_stat(*pid);
        if (stat && stat->state != 'Z') return MachineHandle{*pid, stat->start_time};
    }
    return std::nullopt;
}

}  // namespace banger::vm
