// Boost.JSON, compiled in: the binary is static and Debian ships no static library we could rely
// on.
#include <boost/json/src.hpp>
