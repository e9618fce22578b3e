#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>

#include "pipelines/io/subprocess.hpp"
#include "test/support/catch.hpp"
#include "test/support/host_tree.hpp"
#include "test/support/layer_stack.hpp"
#include "test/support/pull_fixture.hpp"
#include "test/support/run_task.hpp"

// Random stacks of layers, as a pull leaves them in its ext4 and as umoci 0.4.7 unpacks them, must
// be the same tree. What is known to differ, and how it stays out of the way:
//   L7   `.wh.` with nothing behind it: we refuse it               never generated
//   L14  aufs's own names: we resolve and drop them                never generated
//   L29  a file where a parent should be: we make it a directory   our warning must be there when
//        and warn, umoci fails                                      umoci fails
//   L36  a path that leaves the root: we refuse it                 never generated
//   L60  xattrs of libarchive's dialect                            never generated
//   L64  ACLs: umoci drops them                                    never generated
//   L66  global pax headers: umoci fails                           never generated
//   L68  types 7 and V                                             never generated
//   L75, L76  media types and zstd                                 gzip and plain, truly labelled
//   parents that no layer lists: umoci's have the time of day      their time is not compared
//   such parents inherit setgid and group from the host's kernel   directories have no setgid
//   the order of whiteouts within a layer matters to umoci         see layer_stack.cpp
using namespace banger;
using namespace banger::test;

namespace {

/// Why there is nothing to compare with here; empty when there is.
std::string why_not() {
    if (::geteuid() != 0) return "umoci restores owners and devices for root only";
    try {
        const auto version = run_task(run({"umoci", "--version"}, std::chrono::seconds(10)));
        if (version.status.success()) return {};
    } catch (const Error&) {
        return "umoci is not installed";
    }
    return "umoci does not run";
}

/// The two trees that come of a stack, or why there is none.
struct Outcome {
    enum class Kind { equal, both_fail, only_we_fail, only_umoci_fails, different };
    Kind kind = Kind::equal;
    std::string text;
};

class Contest {
  public:
    Contest() { ::umask(022); }
    ~Contest() { ::umask(before_); }
    Contest(const Contest&) = delete;
    Contest& operator=(const Contest&) = delete;

    Outcome compare(const LayerStack& stack) { return compare(stack, stack); }

    /// Ours of one stack with umoci's of another.
    Outcome compare(const LayerStack& ours, const LayerStack& theirs) {
        const TempDir dir;
        const auto packing = ours.size() % 2 == 0 ? Packing::gzip : Packing::plain;
        OciBuilder layout(dir / "layout");
        layout.tag("ours", layout.image(image_of(ours, packing)));
        layout.tag("theirs", layout.image(image_of(theirs, packing)));
        const TreeRules rules{.made_since = std::time(nullptr), .xattrs = takes_xattrs(dir.path())};
        const auto umoci =
            run_task(run({"umoci", "unpack", "--image", layout.path() + ":theirs", dir / "bundle"},
                         std::chrono::seconds(30)));
        PullFixture fixture(dir.path());
        std::vector<std::string> warnings;
        try {
            warnings = fixture.pull(layout.source("ours")).warnings;
        } catch (const Error& error) {
            const auto kind =
                umoci.status.success() ? Outcome::Kind::only_we_fail : Outcome::Kind::both_fail;
            return {kind, fmt::format("we: {}\numoci: {}", error.what(), umoci.err)};
        }
        if (!umoci.status.success()) {
            if (has_replaced_a_file(warnings)) return {Outcome::Kind::both_fail, umoci.err};
            return {Outcome::Kind::only_umoci_fails, umoci.err};
        }
        const auto found =
            tree_differences(fixture.read().entries, read_host_tree(dir / "bundle/rootfs"), rules);
        if (found.empty()) return {};
        return {Outcome::Kind::different, fmt::format("{}", fmt::join(found, "\n"))};
    }

  private:
    static bool takes_xattrs(const std::filesystem::path& directory) {
        return ::setxattr(directory.c_str(), "user.probe", "1", 1, 0) == 0;
    }

    static bool has_replaced_a_file(const std::vector<std::string>& warnings) {
        return std::any_of(warnings.begin(), warnings.end(), [](const std::string& text) {
            return text.find("made it one") != std::string::npos;
        });
    }

    mode_t before_ = ::umask(022);
};

void expect_equal(Contest& contest, std::uint64_t seed, int& trees) {
    const auto stack = random_stack(seed);
    const auto outcome = contest.compare(stack);
    if (outcome.kind == Outcome::Kind::equal) ++trees;
    if (outcome.kind == Outcome::Kind::equal || outcome.kind == Outcome::Kind::both_fail) return;
    const auto least = reduce(
        stack, [&](const LayerStack& part) { return contest.compare(part).kind == outcome.kind; });
    FAIL_CHECK("seed " << seed << ": " << contest.compare(least).text << "\n" << describe(least));
}

/// All seeds up to `last`; most of them must give trees, or little is compared.
void expect_equal_up_to(std::uint64_t last) {
    if (const auto reason = why_not(); !reason.empty()) {
        WARN("skipped: " << reason);
        return;
    }
    Contest contest;
    int trees = 0;
    for (std::uint64_t seed = 1; seed <= last; ++seed)
        expect_equal(contest, seed, trees);
    CHECK(trees > static_cast<int>(last * 8 / 10));
}

}  // namespace

TEST_CASE("a hundred random stacks of layers become the tree that umoci unpacks [L82]") {
    expect_equal_up_to(100);
}

TEST_CASE("a thousand random stacks of layers become the tree that umoci unpacks [L82]", "[long]") {
    expect_equal_up_to(1000);
}

TEST_CASE("a difference to umoci's tree is found and reduced to the entry that makes it [L82]") {
    if (const auto reason = why_not(); !reason.empty()) {
        WARN("skipped: " << reason);
        return;
    }
    Contest contest;
    auto stack = random_stack(1);
    stack.back().push_back({.path = "odd", .content = "one", .mode = 0640});
    const auto changed = [](LayerStack part) {
        for (auto& layer : part)
            for (auto& entry : layer)
                if (entry.path == "odd") entry.mode = 0600;
        return part;
    };
    const auto differs = [&](const LayerStack& part) {
        return contest.compare(part, changed(part)).kind == Outcome::Kind::different;
    };
    REQUIRE(differs(stack));
    const auto least = reduce(stack, differs);
    REQUIRE(least.size() == 1);
    REQUIRE(least[0].size() == 1);
    CHECK(contest.compare(least, changed(least)).text == "/odd: mode is 640, not 600");
}
