#include "daemon/config.hpp"

#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"

namespace banger {
namespace {

using banger::test::ContainsSubstring;

std::string write_config(const test::TempDir& dir, const std::string& text) {
    auto path = dir / "config.toml";
    write_file_atomically(path, text);
    return path;
}

TEST_CASE("a configuration that is not there gives the defaults") {
    const auto config = load_config("/nonexistent/config.toml");
    CHECK(config.log_level == "info");
    CHECK(config.disk_size == 8ull << 30);
}

TEST_CASE("every key of the configuration is read") {
    test::TempDir dir;
    const auto config = load_config(write_config(dir, R"(
log_level = "debug"
default_image = "oci:/images/a:b"
plain_http_registries = ["a:5000", "b"]
vcpu = 3
memory_mib = 700
disk_size = "2GiB"
accelerator = "tcg"
backend = "firecracker"
firecracker = "/opt/firecracker"
require_kvm = true
)"));
    CHECK(config.log_level == "debug");
    CHECK(config.default_image == "oci:/images/a:b");
    CHECK(config.plain_http_registries == std::vector<std::string>{"a:5000", "b"});
    CHECK(config.vcpu == 3);
    CHECK(config.memory_mib == 700);
    CHECK(config.disk_size == 2ull << 30);
    CHECK(config.accelerator == "tcg");
    CHECK(config.backend == "firecracker");
    CHECK(config.firecracker == "/opt/firecracker");
    CHECK(config.require_kvm);
}

TEST_CASE("a size that is a plain number is MiB, in the file and when it is set") {
    test::TempDir dir;
    const auto path = write_config(dir, "cache_size = 64\ndisk_reserve = 0\n");
    set_config_value(path, "disk_size", "2048");
    const auto config = load_config(path);
    CHECK(config.cache_size == 64ull << 20);
    CHECK(config.disk_reserve == 0);
    CHECK(config.disk_size == 2ull << 30);
}

TEST_CASE("a bad configuration names the file, the line and the key") {
    test::TempDir dir;
    const auto [text, message] = GENERATE(table<std::string, std::string>({
        {"log_level = \"info\"\nlog_levle = \"x\"\n", "config.toml:2: unknown key 'log_levle'"},
        {"vcpu = \"two\"\n", "config.toml:1: wrong type or range for 'vcpu'"},
        {"vcpu = -1\n", "config.toml:1: wrong type or range for 'vcpu'"},
        {"vcpu = 5000000000\n", "config.toml:1: wrong type or range for 'vcpu'"},
        {"\n\nlog_level = \n", "config.toml:3: "},
        {"accelerator = \"fast\"\n", "accelerator is auto, kvm or tcg, not 'fast'"},
        {"backend = \"xen\"\n", "backend is auto, firecracker or qemu, not 'xen'"},
        {"require_kvm = 1\n", "config.toml:1: wrong type or range for 'require_kvm'"},
        {"disk_size = \"big\"\n", "config.toml:1: 'big' is not a size"},
        {"[section]\na = 1\n", "unknown key 'section'"},
        {"[limits]\ncpu = 1\n", "config.toml:1: unknown key 'cpu' among the limits"},
        {"[limits]\ncpus = \"1\"\n", "wrong type or range for 'limits.cpus'"},
        {"[limits]\nthreads = 8\n", "limits.threads is 80 or more"},
        {"limits.memory_overhead = 32\n", "limits.memory_overhead is 64 MiB or more"},
        {"limits = 1\n", "config.toml:1: wrong type or range for 'limits'"},
    }));
    CHECK_THROWS_WITH(load_config(write_config(dir, text)), ContainsSubstring(message));
}

TEST_CASE("mirrors and a registry's own certificates are read", "[R22]") {
    test::TempDir dir;
    const auto config = load_config(write_config(dir, R"(
plain_http_registries = ["plain.example"]
[mirrors]
"docker.io" = ["https://mirror.example/hub", "http://127.0.0.1:5000", "http://plain.example"]
[registry."registry.example:5000"]
ca = "certs/own.pem"
[registry."other.example"]
ca = "/etc/ca.pem"
)"));
    CHECK(config.mirrors.at("docker.io").size() == 3);
    CHECK(config.registry.at("registry.example:5000").ca == dir / "certs/own.pem");
    CHECK(config.registry.at("other.example").ca == "/etc/ca.pem");
}

TEST_CASE("a mirror that is no address, or not to be trusted, is refused with its line", "[R22]") {
    test::TempDir dir;
    const auto [text, message] = GENERATE(table<std::string, std::string>({
        {"[mirrors]\n\"a.io\" = [\"mirror.example\"]\n", "config.toml:2: 'mirror.example' is not"},
        {"[mirrors]\n\"a.io\" = [\"http://mirror.example\"]\n", "plain HTTP to mirror.example:80"},
        {"[mirrors]\n\"a.io\" = [\"https://u:p@m.example\"]\n", "holds a user name"},
        {"[mirrors]\n\"a.io\" = [\"https://m.example/?x=1\"]\n", "has a query"},
        {"[mirrors]\n\"a.io\" = \"https://m.example\"\n", "wrong type or range for 'mirrors'"},
        {"[registry.\"a.io\"]\ncert = \"x\"\n", "unknown key 'cert'"},
        {"[registry]\nca = \"x\"\n", "wrong type or range for 'registry'"},
    }));
    CHECK_THROWS_WITH(load_config(write_config(dir, text)), ContainsSubstring(message));
}

TEST_CASE("a key that is set goes before the tables, not into one") {
    test::TempDir dir;
    const auto* tables =
        GENERATE("[registry.\"a.io\"]\nca = \"/x\"\n",
                 "# of the mirrors\n  [mirrors]\n\"a.io\" = [\"https://m.example\"]\n",
                 "log_level = \"info\"\n\n[mirrors]\n\"a.io\" = []\n[registry.b]\nca = \"\"\n",
                 "mirrors.\"a.io\" = []\n");
    CAPTURE(tables);
    const auto path = write_config(dir, tables);
    set_config_value(path, "vcpu", "3");
    CHECK(load_config(path).vcpu == 3);
    set_config_value(path, "vcpu", "4");
    CHECK(load_config(path).vcpu == 4);
    CHECK_THROWS_WITH(set_config_value(path, "mirrors", "x"), ContainsSubstring("table"));
}

TEST_CASE("limits are read and set by name, in their table where there is one") {
    test::TempDir dir;
    const auto* text =
        GENERATE("", "[limits]", "vcpu = 2\n[limits] # of each VM\ncpus = 9\n[mirrors]\na = []\n",
                 "limits.cpus = 9\n", "[mirrors]\na = []\n[limits]\n");
    CAPTURE(text);
    const auto path = write_config(dir, text);
    set_config_value(path, "limits.cpus", "3");
    set_config_value(path, "limits.write_bytes", "50M");
    set_config_value(path, "limits.cpus", "4");
    const auto limits = load_config(path).limits;
    CHECK(limits.cpus == 4);
    CHECK(limits.write_bytes == 50ull << 20);
    CHECK(limits.read_bytes == 0);
    CHECK_THROWS_WITH(set_config_value(path, "limits.cpu", "1"),
                      ContainsSubstring("no setting 'limits.cpu'; there are memory_overhead, "));
    CHECK_THROWS_WITH(set_config_value(path, "limits", "1"), ContainsSubstring("limits.cpus"));
}

TEST_CASE("setting a key makes the file and its directories") {
    test::TempDir dir;
    const auto path = dir / "a/b/config.toml";
    set_config_value(path, "default_kernel", "debian-cloud");
    CHECK(load_config(path).default_kernel == "debian-cloud");
}

TEST_CASE("setting a key leaves other keys and comments as they are") {
    test::TempDir dir;
    const auto path = write_config(dir,
                                   "# für uns\nlog_level = \"debug\" # loud\nvcpu = 2\n"
                                   "plain_http_registries = [\"é\", \"b\"] # two");
    set_config_value(path, "log_level", "warn");
    set_config_value(path, "vcpu", "4");
    set_config_value(path, "plain_http_registries", "x:1,y:2");
    set_config_value(path, "default_image", "box");
    const auto text = read_file(path);
    CHECK_THAT(text, ContainsSubstring("# für uns\n") && ContainsSubstring(" # loud\n") &&
                         ContainsSubstring(" # two\n"));
    const auto config = load_config(path);
    CHECK(config.log_level == "warn");
    CHECK(config.vcpu == 4);
    CHECK(config.plain_http_registries == std::vector<std::string>{"x:1", "y:2"});
    CHECK(config.default_image == "box");
}

TEST_CASE("a value with quotes survives") {
    test::TempDir dir;
    const auto path = dir / "config.toml";
    const std::string odd = "a \"b\" 'c' \\ d";
    set_config_value(path, "default_image", odd);
    CHECK(load_config(path).default_image == odd);
}

TEST_CASE("a switch is set as what it is") {
    test::TempDir dir;
    const auto path = dir / "config.toml";
    set_config_value(path, "require_kvm", "true");
    CHECK(read_file(path) == "require_kvm = true\n");
    CHECK(load_config(path).require_kvm);
}

TEST_CASE("a bad setting is refused and the file stays as it was") {
    test::TempDir dir;
    const auto path = write_config(dir, "vcpu = 2\n");
    CHECK_THROWS_WITH(set_config_value(path, "colour", "red"),
                      ContainsSubstring("no setting 'colour'"));
    CHECK_THROWS_WITH(set_config_value(path, "vcpu", "many"), ContainsSubstring("'vcpu'"));
    CHECK_THROWS_AS(set_config_value(path, "accelerator", "fast"), Error);
    CHECK_THROWS_AS(set_config_value(path, "require_kvm", "perhaps"), Error);
    CHECK(read_file(path) == "vcpu = 2\n");
}

}  // namespace
}  // namespace banger
