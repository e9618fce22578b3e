#include "cli/vm_ssh.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <memory>

#include "cli/commands.hpp"
#include "daemon/api/types.hpp"
#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/subprocess.hpp"

namespace banger::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kLimit{60};

/// In the guest: lets the key on standard input in as user $1, makes a host key where the image has
/// none (once, whoever else does too), and prints the public half of it.
constexpr char kPrepare[] = R"(
set -eu
umask 077
test -x /usr/sbin/sshd || { echo "it has no sshd" >&2; exit 1; }
entry=$(getent passwd "$1") || { echo "it has no user $1" >&2; exit 1; }
home=$(echo "$entry" | cut -d: -f6)
mkdir -p "$home/.ssh" /run/sshd
read -r key
allowed=$home/.ssh/authorized_keys
grep -qxF "$key" "$allowed" 2>/dev/null || echo "$key" >>"$allowed"
chown -R "$1:" "$home/.ssh"
chmod 755 /run/sshd
host=/etc/ssh/ssh_host_ed25519_key
if ! test -s $host; then
    made=$(mktemp -d /etc/ssh/.key-XXXXXX)
    ssh-keygen -q -t ed25519 -N '' -C '' -f "$made/key"
    ln "$made/key" $host 2>/dev/null || true
    rm -rf "$made"
fi
ssh-keygen -y -f $host
)";

/// The first line of what a failed program said.
std::string first_line(const RunResult& result) {
    const auto said = result.err.substr(0, result.err.find('\n'));
    return said.empty() ? result.status.describe() : said;
}

Task<RunResult> run_or_fail(std::vector<std::string> argv, std::string input, std::string failing) {
    auto result = co_await run(std::move(argv), kLimit, std::move(input));
    if (!result.status.success()) {
        fail(Errc::unavailable, "{}: {}", failing, first_line(result));
    }
    co_return result;
}

/// This user's key for all VMs, made when it is first needed.
Task<std::string> find_key(std::string state) {
    const auto directory = state + "/ssh";
    const auto key = directory + "/id_ed25519";
    if (fs::exists(key)) co_return key;
    fs::create_directories(directory);
    fs::permissions(directory, fs::perms::owner_all);
    co_await run_or_fail({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "banger", "-f", key},
                         {}, "cannot make an ssh key in " + directory);
    co_return key;
}

/// Prepares the guest, and writes what ssh is to know of it.
Task<SshPlan> prepare(Session& session, SshPlan plan) {
    plan.program = fs::read_symlink("/proc/self/exe").string();
    plan.key = co_await find_key(session.paths.state);
    const auto host_key = co_await run_or_fail(
        {plan.program, "vm", "exec", plan.vm, "--", "/bin/sh", "-c", kPrepare, "sh", plan.user},
        read_file(plan.key + ".pub"), fmt::format("cannot reach vm '{}' by ssh", plan.vm));
    const auto directory = session.paths.runtime + "/ssh";
    fs::create_directories(directory);
    plan.known_hosts = directory + "/" + plan.vm;
    write_file_atomically(plan.known_hosts, ssh_host_alias(plan.vm) + " " + host_key.out, 0600);
    co_return plan;
}

/// Becomes ssh, so that terminal, signals and exit status are its own.
[[noreturn]] void become(const std::vector<std::string>& words) {
    std::vector<char*> argv;
    for (const auto& word : words)
        argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    ::signal(SIGPIPE, SIG_DFL);  // what is ignored would stay so
    ::execvp(argv.front(), argv.data());
    fail_errno(errno, "cannot run {}; install the package openssh-client", words.front());
}

struct SshOptions {
    std::string vm;
    std::string user = "root";
};

Task<int> ssh(Session& session, SshOptions options, std::vector<std::string> command) {
    const auto answer = co_await session.client.get("/v1/vms/" + encode_segment(options.vm));
    SshPlan plan;
    plan.vm = from_json<api::VmInfo>(answer).name;
    plan.user = options.user;
    plan.command = std::move(command);
    become(ssh_arguments(co_await prepare(session, std::move(plan))));
}

/// An option's value for ssh, which splits at spaces and expands percent signs.
std::string ssh_value(const std::string& path) {
    std::string out = "\"";
    for (const char each : path) {
        if (each == '%') out += '%';
        if (each == '"' || each == '\\') out += '\\';
        out += each;
    }
    return out + "\"";
}

std::string proxy_command(const SshPlan& plan) {
    std::string program;
    for (const char each : shell_quote(plan.program))
        program += each == '%' ? std::string("%%") : std::string(1, each);
    return fmt::format("{} vm exec {} -- /usr/sbin/sshd -i", program, plan.vm);
}

}  // namespace

std::string shell_quote(const std::string& word) {
    std::string out = "'";
    for (const char each : word) {
        if (each == '\'') {
            out += R"('\'')";
        } else {
            out += each;
        }
    }
    return out + "'";
}

std::string ssh_host_alias(const std::string& vm) {
    return "banger-" + vm;
}

std::vector<std::string> ssh_arguments(const SshPlan& plan) {
    std::vector<std::string> words{"ssh"};
    // Nothing of the user's own configuration may lead elsewhere, or offer other keys.
    for (const auto& option :
         {std::string("IdentitiesOnly=yes"), "IdentityFile=" + ssh_value(plan.key),
          "UserKnownHostsFile=" + ssh_value(plan.known_hosts),
          std::string("GlobalKnownHostsFile=none"), std::string("StrictHostKeyChecking=yes"),
          std::string("HostKeyAlgorithms=ssh-ed25519"), "HostKeyAlias=" + ssh_host_alias(plan.vm),
          std::string("UpdateHostKeys=no"), std::string("LogLevel=ERROR"),
          "ProxyCommand=" + proxy_command(plan)}) {
        words.insert(words.end(), {"-o", option});
    }
    words.insert(words.end(), {"-F", "none", "-l", plan.user, ssh_host_alias(plan.vm)});
    std::vector<std::string> quoted;
    for (const auto& word : plan.command)
        quoted.push_back(shell_quote(word));
    if (!quoted.empty())
        words.insert(words.end(), {"--", fmt::format("{}", fmt::join(quoted, " "))});
    return words;
}

void add_vm_ssh(CLI::App& vm, Invocation& invocation) {
    auto options = std::make_shared<SshOptions>();
    auto* command = add_command(vm, "ssh", "a shell, or a command, by ssh", invocation);
    command->add_option("vm", options->vm, "name or id")->required();
    command->add_option("-u,--user", options->user, "user of the guest; default: root");
    command->footer("The command follows '--': banger vm ssh box -- id");
    command->callback([options, &invocation] {
        invocation.takes_command = true;
        invocation.action = [options, &invocation](Session& session) {
            return ssh(session, *options, invocation.command);
        };
    });
}

}  // namespace banger::cli
