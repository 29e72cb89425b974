#!/usr/bin/env escript
%%! +S 1:1 +sbwt none
%% The work of benchmarks/actors/peers.py in Erlang; prints milliseconds of the virtual machine's CPU time.
-mode(compile).

main([What, Count]) ->
    N = list_to_integer(Count),
    statistics(runtime),
    run(What, N),
    {_, Milliseconds} = statistics(runtime),
    io:format("~p~n", [Milliseconds]).

run("call", N) ->
    Pid = spawn_link(fun() -> loop(0) end),
    [ask(Pid) || _ <- lists:seq(1, N)];
run("cast", N) ->
    Pid = spawn_link(fun() -> loop(0) end),
    [Pid ! cast || _ <- lists:seq(1, N)],
    ask(Pid);
run("start", N) ->
    [start_stop() || _ <- lists:seq(1, N)].

start_stop() ->
    {Pid, Ref} = spawn_monitor(fun() -> loop(0) end),
    Pid ! stop,
    receive {'DOWN', Ref, process, _, _} -> ok end.

ask(Pid) ->
    Ref = monitor(process, Pid),
    Pid ! {call, self(), Ref},
    receive {Ref, Total} -> demonitor(Ref, [flush]), Total end.

loop(Total) ->
    receive
        {call, From, Ref} -> From ! {Ref, Total + 1}, loop(Total + 1);
        cast -> loop(Total + 1);
        stop -> ok
    end.
