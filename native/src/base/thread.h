#pragma once
#include <pthread.h>

#include <csignal>
#include <thread>
#include <utility>

namespace sojourn {

// A thread that takes no signal: signals belong to the daemon, and the kernel must not pick a
// packet thread to run a handler.
template <typename Body>
std::thread startThread(Body&& body) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::forward<Body>(body));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace sojourn
