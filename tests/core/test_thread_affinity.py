import os
import threading

import pytest

from yolo_edge._core import CpuSet, bind_current_thread, current_thread_cpus, thread_cpus


def on_a_thread(function):
    """Runs ``function`` on a thread of its own, so that the test's thread keeps its CPUs whatever happens."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


def test_a_thread_is_bound_and_only_that_thread():
    before = os.sched_getaffinity(0)
    assert set(current_thread_cpus()) == before
    for cpu in before:

        def bind(cpus=CpuSet([cpu])):  # noqa: B008
            bind_current_thread(cpus)
            return current_thread_cpus(), os.sched_getaffinity(0)

        assert on_a_thread(bind) == (CpuSet([cpu]), {cpu})
    assert os.sched_getaffinity(0) == before


def test_threads_inherit_the_binding_and_others_can_read_it():
    one = CpuSet([min(current_thread_cpus())])

    def outer():
        bind_current_thread(one)
        return on_a_thread(lambda: thread_cpus(threading.get_native_id()))

    assert on_a_thread(outer) == one
    assert thread_cpus(0) == thread_cpus(os.getpid()) == current_thread_cpus()


def test_a_bound_thread_gets_its_cpus_back():
    before = current_thread_cpus()

    def work():
        bind_current_thread(CpuSet([max(before)]))
        bind_current_thread(before)
        return current_thread_cpus()

    assert on_a_thread(work) == before


@pytest.mark.parametrize(
    ("cpus", "error", "message"),
    [
        pytest.param(CpuSet(), ValueError, "cpus is empty; a thread needs at least one CPU", id="empty"),
        pytest.param(CpuSet([8191]), RuntimeError, "cannot bind the thread to CPUs 8191: ", id="absent"),
        pytest.param(
            CpuSet([*current_thread_cpus(), 8191]),
            RuntimeError,
            rf"asked to bind .*,8191, the kernel bound it to {current_thread_cpus()} \(the others are",
            id="partly absent",
        ),
    ],
)
def test_a_binding_that_the_kernel_does_not_honour_is_an_error(cpus, error, message):
    before = current_thread_cpus()
    with pytest.raises(error, match=message):
        bind_current_thread(cpus)
    assert current_thread_cpus() == before


def test_a_thread_that_does_not_exist_is_an_error():
    with pytest.raises(ValueError, match="tid is -1; it must be 0"):
        thread_cpus(-1)
    with pytest.raises(RuntimeError, match="cannot read the CPUs of thread 2000000000: No such process"):
        thread_cpus(2_000_000_000)
