{{/* What the binary can do, as data: the templates range over it. */}}

{{/* A Deployment each: its arguments, whose database and configuration it has, and what says that
     it is ready: a gRPC service (health), or HTTP. */}}
{{- define "paymesh.roles" -}}
shop-center: {args: [serve, shop-center], service: shop-center, health: paymesh.shop.v1.ShopService}
rate: {args: [serve, rate], service: rate, health: paymesh.rate.v1.RateService}
trade: {args: [serve, trade], service: trade, health: paymesh.trade.v1.TradeService}
pay-gateway: {args: [serve, pay-gateway], service: pay-gateway, health: paymesh.gateway.v1.PaymentService}
callback: {args: [callback], service: pay-gateway, callback: true}
work-trade: {args: [work, trade], service: trade}
work-pay-gateway: {args: [work, pay-gateway], service: pay-gateway}
{{- end }}

{{/* A CronJob each: whose task it is. */}}
{{- define "paymesh.tasks" -}}
drain-trade: trade
drain-gateway: pay-gateway
expire-unbound: trade
close-unpaid: trade
revoke: trade
remedy: pay-gateway
query-refunds: pay-gateway
{{- end }}

{{/* The ports a role listens on. */}}
{{- define "paymesh.ports" -}}
{{- if .health }}
grpc: 7400
{{- end }}
{{- if .callback }}
callback: 7401
{{- end }}
metrics: 7402
{{- end }}

{{/* A component's values: the defaults, and over them what is its own. */}}
{{- define "paymesh.component" -}}
{{- $ := index . 0 -}}
{{ mergeOverwrite (deepCopy $.Values.defaults) (index $.Values.components (index . 1)) | toYaml }}
{{- end }}
