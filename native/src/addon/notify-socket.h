// The service manager's socket (sd_notify): Unix datagrams, which Node does not have.
#pragma once
#include <string>

namespace sojourn {

// Sends `text` to the socket `name`. A leading '@' means the abstract namespace. Throws
// SystemError.
void sendToNotifySocket(const std::string& name, const std::string& text);

}  // namespace sojourn
