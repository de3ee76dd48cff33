"""Argo Workflows on one machine without a cluster: its own controller, an API server, and pods as local processes.

`build` makes the programs (controller, kube-apiserver, etcd) from their Go modules, unchanged. `cluster` runs them, once
for all processes that ask; `client.Client` submits manifests to them and runs the pods as a kubelet and Argo's executor
would (`pods`, `runner`, `outputs`, `kubelet`).
"""
