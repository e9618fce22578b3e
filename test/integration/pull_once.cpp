#include <cstdio>
#include <exception>
#include <fstream>
#include <string>

#include "pipelines/io/error.hpp"
#include "test/support/pull_fixture.hpp"

namespace {

/// The most memory this process ever had, in KiB, as the kernel counts it.
std::string peak_memory() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("VmHWM:")) return line.substr(6);
    return "unknown";
}

}  // namespace

/// Pulls the source named on the command line, alone in its process; prints what became of it and,
/// on a second line, the peak of memory in KiB.
int main(int count, char** arguments) {
    if (count != 2) return 2;
    std::string outcome = "pulled";
    {
        banger::test::PullFixture fixture;
        try {
            // Who runs it has a limit of its own.
            fixture.pull(arguments[1], {.limit = std::chrono::hours(1)});
        } catch (const banger::Error& error) {
            outcome = error.what();
        }
        if (outcome != "pulled" && !fixture.leftovers().empty())
            outcome += " (leaves files behind)";
    }
    std::printf("%s\n%s\n", outcome.c_str(), peak_memory().c_str());
    return 0;
}
