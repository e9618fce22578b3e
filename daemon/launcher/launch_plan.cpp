#include "daemon/launcher/launch_plan.hpp"

#include <cstring>
#include <string_view>

namespace banger::launcher {
namespace {

constexpr int kFirstEgressWord = 4;

int find_separator(int argc, char** argv) {
    for (int i = kFirstEgressWord; i < argc; ++i) {
        if (std::string_view(argv[i]) == "--") return i;
    }
    return argc;
}

}  // namespace

bool parse_plan(int argc, char** argv, LaunchPlan& plan) {
    const int separator = find_separator(argc, argv);
    if (separator <= kFirstEgressWord || separator + 1 >= argc) return false;
    const std::string_view way = argv[1];
    if (way != "tap" && way != "socket") return false;
    plan.way = way == "tap" ? Way::tap : Way::socket;
    plan.life = argv[2];
    plan.log = argv[3];
    plan.egress.assign(argv + kFirstEgressWord, argv + separator);
    plan.vmm.assign(argv + separator + 1, argv + argc);
    return true;
}

void hide_vmm_words(int argc, char** argv) {
    for (int i = find_separator(argc, argv) + 1; i < argc; ++i)
        std::memset(argv[i], 0, std::strlen(argv[i]));
}

}  // namespace banger::launcher
