#include "daemon/vm/kvm_probe.hpp"

#include <fcntl.h>
#include <linux/kvm.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <vector>

#include "daemon/vm/kvm_guest.hpp"
#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"
#include "pipelines/io/unique_fd.hpp"

namespace banger::vm {
namespace {

constexpr int kDeadlineSeconds = 2;

template <class... Args>
int control(int fd, unsigned long request, Args... args) {
    int result = ::ioctl(fd, request, args...);
    if (result < 0) fail_errno(errno, "kvm refuses request {:#x}", request);
    return result;
}

class Mapping {
  public:
    Mapping(std::size_t size, int fd) : size_(size) {
        int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
        memory_ = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, fd, 0);
        if (memory_ == MAP_FAILED) fail_errno(errno, "cannot map memory for the kvm probe");
    }
    ~Mapping() { ::munmap(memory_, size_); }
    Mapping(const Mapping&) = delete;
    std::uint8_t* bytes() const { return static_cast<std::uint8_t*>(memory_); }

  private:
    std::size_t size_;
    void* memory_ = nullptr;
};

template <class T>
void put(std::uint8_t* memory, std::uint64_t at, const T& value) {
    std::memcpy(memory + at, &value, sizeof(value));
}

/// Identity-mapped long mode, one code segment, one interrupt gate.
void fill_memory(std::uint8_t* memory) {
    constexpr std::uint64_t kPresentWritable = 3;
    constexpr std::uint64_t kLargePage = 0x80;
    put(memory, kPageTables, kPageTables + 0x1000 + kPresentWritable);
    put(memory, kPageTables + 0x1000, kPageTables + 0x2000 + kPresentWritable);
    put(memory, kPageTables + 0x2000, kPresentWritable | kLargePage);
    put(memory, kGdt + kCodeSelector, std::uint64_t{0x00af9b000000ffff});
    put(memory, kGdt + kCodeSelector + 8, std::uint64_t{0x00cf93000000ffff});
    constexpr std::uint64_t kInterruptGate = 0x8e00;
    put(memory, kIdt + 3 * 16,
        kInt3Handler | std::uint64_t{kCodeSelector} << 16 | kInterruptGate << 32);
    put(memory, kCode, kGuestCode);
    put(memory, kInt3Handler, kGuestInt3);
}

void set_registers(int cpu) {
    kvm_sregs special{};
    control(cpu, KVM_GET_SREGS, &special);
    kvm_segment code{};
    code.limit = 0xffffffff;
    code.selector = kCodeSelector;
    code.type = 0xb;
    code.present = code.s = code.l = code.g = 1;
    kvm_segment data = code;
    data.selector = kCodeSelector + 8;
    data.type = 3;
    data.l = 0;
    data.db = 1;
    special.cs = code;
    special.ds = special.es = special.fs = special.gs = special.ss = data;
    special.gdt = {kGdt, 23, {}};
    special.idt = {kIdt, 4 * 16 - 1, {}};
    special.cr3 = kPageTables;
    special.cr4 = 0x20 | 0x200 | 0x400 | 0x40000;  // PAE, OSFXSR, OSXMMEXCPT, OSXSAVE
    special.cr0 = 0x80010033;                      // PG, WP, NE, ET, MP, PE
    special.efer = 0x500;                          // LME, LMA
    control(cpu, KVM_SET_SREGS, &special);
    kvm_regs general{};
    general.rip = kCode;
    general.rsp = kStackTop;
    general.rflags = 2;
    control(cpu, KVM_SET_REGS, &general);
}

// KVM_GET_SUPPORTED_CPUID and KVM_SET_CPUID2. To C++ the flexible array of the kernel's struct
// kvm_cpuid2 has made the struct larger since Linux 6.1's headers, and so these numbers wrong.
struct CpuidHead {
    std::uint32_t entries = 0;
    std::uint32_t padding = 0;
};
constexpr unsigned long kGetSupportedCpuid = _IOWR(KVMIO, 0x05, CpuidHead);
constexpr unsigned long kSetCpuid2 = _IOW(KVMIO, 0x90, CpuidHead);

/// OSXSAVE is refused to a processor that does not say it has XSAVE.
void set_cpuid(int kvm, int cpu) {
    constexpr std::uint32_t kEntries = 256;
    std::vector<std::uint8_t> memory(sizeof(CpuidHead) + kEntries * sizeof(kvm_cpuid_entry2));
    put(memory.data(), 0, CpuidHead{kEntries, 0});
    control(kvm, kGetSupportedCpuid, memory.data());
    control(cpu, kSetCpuid2, memory.data());
}

std::atomic<kvm_run*> running_probe{nullptr};

void interrupt_probe(int) {
    if (auto* run = running_probe.load()) run->immediate_exit = 1;
}

/// Interrupts KVM_RUN in this thread after the deadline, and each 100 ms from then on.
class Deadline {
  public:
    explicit Deadline(kvm_run* run) {
        running_probe = run;
        struct sigaction action{};
        action.sa_handler = interrupt_probe;
        ::sigaction(SIGRTMIN + 5, &action, &before_);
        sigevent event{};
        event.sigev_notify = SIGEV_THREAD_ID;
        event.sigev_signo = SIGRTMIN + 5;
        event._sigev_un._tid = static_cast<pid_t>(::syscall(SYS_gettid));
        if (::timer_create(CLOCK_MONOTONIC, &event, &timer_) != 0) {
            fail_errno(errno, "cannot make a timer for the kvm probe");
        }
        itimerspec when{{0, 100'000'000}, {kDeadlineSeconds, 0}};
        ::timer_settime(timer_, 0, &when, nullptr);
    }
    ~Deadline() {
        ::timer_delete(timer_);
        running_probe = nullptr;
        ::sigaction(SIGRTMIN + 5, &before_, nullptr);
    }
    Deadline(const Deadline&) = delete;

  private:
    timer_t timer_{};
    struct sigaction before_{};
};

KvmVerdict judge(int run_error, const kvm_run& run, std::uint8_t int3_count) {
    if (run_error == EINTR) {
        return {false, fmt::format("kvm runs guest code far too slowly here (a probe guest did not "
                                   "end within {} s)",
                                   kDeadlineSeconds)};
    }
    if (run_error) return {false, "kvm cannot run a guest: " + errno_text(run_error)};
    if (run.exit_reason == KVM_EXIT_IO && run.io.port == kDonePort) {
        if (int3_count == 1) return {true, ""};
        return {false, "kvm runs guest code wrongly here: a breakpoint was lost"};
    }
    return {false,
            fmt::format("kvm cannot run what kernels use here (a probe guest ended with exit "
                        "reason {})",
                        run.exit_reason)};
}

KvmVerdict run_probe(int kvm) {
    Mapping memory(kGuestMemory, -1);
    UniqueFd machine(control(kvm, KVM_CREATE_VM, 0));
    kvm_userspace_memory_region region{0, 0, 0, kGuestMemory,
                                       reinterpret_cast<std::uint64_t>(memory.bytes())};
    control(machine.get(), KVM_SET_USER_MEMORY_REGION, &region);
    UniqueFd cpu(control(machine.get(), KVM_CREATE_VCPU, 0));
    Mapping shared(static_cast<std::size_t>(control(kvm, KVM_GET_VCPU_MMAP_SIZE, 0)), cpu.get());
    auto* run = reinterpret_cast<kvm_run*>(shared.bytes());
    fill_memory(memory.bytes());
    set_cpuid(kvm, cpu.get());
    set_registers(cpu.get());
    Deadline deadline(run);
    int error = ::ioctl(cpu.get(), KVM_RUN, 0) < 0 ? errno : 0;
    auto* io = shared.bytes() + (error ? 0 : run->io.data_offset);
    bool done = !error && run->exit_reason == KVM_EXIT_IO;
    return judge(error, *run, done ? *io : 0);
}

struct Remembered {
    std::string boot_id;
    KvmVerdict verdict;
};
BOOST_DESCRIBE_STRUCT(Remembered, (), (boot_id, verdict))

std::optional<KvmVerdict> recall(const std::string& path, const std::string& boot_id) {
    try {
        auto known = from_json<Remembered>(parse_json(read_file(path), path));
        if (known.boot_id == boot_id) return known.verdict;
    } catch (const Error&) {
        // Not there, or not whole: probing again is cheap.
    }
    return std::nullopt;
}

KvmVerdict probe_or_recall_blocking(const std::string& cache_dir) {
    if (::access("/dev/kvm", R_OK | W_OK) != 0) return probe_kvm_blocking();
    auto path = cache_dir + "/kvm-probe.json";
    auto boot_id = read_file("/proc/sys/kernel/random/boot_id");
    if (auto known = recall(path, boot_id)) return *known;
    auto verdict = probe_kvm_blocking();
    try {
        write_file_atomically(path, boost::json::serialize(to_json(Remembered{boot_id, verdict})));
    } catch (const Error& e) {
        spdlog::warn("the next start probes kvm again: {}", e.what());
    }
    return verdict;
}

}  // namespace

KvmVerdict probe_kvm_blocking() {
    UniqueFd kvm(::open("/dev/kvm", O_RDWR | O_CLOEXEC));
    if (!kvm) return {false, "cannot open /dev/kvm: " + errno_text(errno)};
    try {
        return run_probe(kvm.get());
    } catch (const Error& e) {
        return {false, e.what()};
    }
}

Task<KvmVerdict> probe_kvm(BlockingPool& pool, std::string cache_dir) {
    co_return co_await run_blocking(
        pool, [&](std::stop_token) { return probe_or_recall_blocking(cache_dir); });
}

}  // namespace banger::vm
