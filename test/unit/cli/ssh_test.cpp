#include "cli/vm_ssh.hpp"
#include "pipelines/io/subprocess.hpp"
#include "test/support/catch.hpp"
#include "test/support/run_task.hpp"

using namespace banger;
using namespace banger::cli;
using namespace banger::test;

namespace {

SshPlan plan_for(std::vector<std::string> command) {
    SshPlan plan;
    plan.vm = "box";
    plan.user = "root";
    plan.program = "/opt/it's 100%/banger";
    plan.key = "/home/a b/id";
    plan.known_hosts = "/run/known";
    plan.command = std::move(command);
    return plan;
}

/// What ssh itself makes of the arguments: `ssh -G` prints the configuration it would use.
std::string configuration(const SshPlan& plan) {
    auto words = ssh_arguments(plan);
    words.insert(words.begin() + 1, "-G");
    return run_task(run(words, std::chrono::seconds(60))).out;
}

}  // namespace

TEST_CASE("a word quoted for the shell is that word again") {
    for (const std::string word : {"plain", "two words", "it's", "$HOME `id` \"x\" \\ *", ""}) {
        const auto result = run_task(
            run({"/bin/sh", "-c", "printf %s " + shell_quote(word)}, std::chrono::seconds(60)));
        CHECK(result.out == word);
    }
}

TEST_CASE("the words of a command reach the guest's shell as one argument, each quoted") {
    const auto words = ssh_arguments(plan_for({"sh", "-c", "exit 42"}));
    CHECK(words.front() == "ssh");
    CHECK(words.back() == "'sh' '-c' 'exit 42'");
    CHECK(words[words.size() - 2] == "--");
}

TEST_CASE("without a command ssh is given none") {
    CHECK(ssh_arguments(plan_for({})).back() == ssh_host_alias("box"));
}

TEST_CASE("ssh takes key, host keys and proxy as they were meant") {
    const auto said = configuration(plan_for({}));
    if (said.empty()) {
        WARN("skipped: no ssh here");
        return;
    }
    CHECK(said.find("identityfile /home/a b/id\n") != std::string::npos);
    CHECK(said.find("userknownhostsfile /run/known\n") != std::string::npos);
    CHECK(said.find("hostkeyalias banger-box\n") != std::string::npos);
    CHECK(said.find("stricthostkeychecking true\n") != std::string::npos);
    CHECK(said.find("vm exec box -- /usr/sbin/sshd -i\n") != std::string::npos);
}
