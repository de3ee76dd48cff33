// A provider with the schema of Terraform's provider for AWS, and nothing behind it: no request leaves it.
//
// What it is for: `terraform validate` and a first `terraform apply` of a bundle, without an account. Attributes that AWS would
// fill in get a text that tells whose they are, `arn:of:<type>:<name>`.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"

	"github.com/hashicorp/terraform-plugin-go/tfprotov5"
	"github.com/hashicorp/terraform-plugin-go/tfprotov5/tf5server"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

type attribute struct {
	Type                         json.RawMessage
	Required, Optional, Computed bool
}

type block struct {
	Attributes map[string]attribute
	BlockTypes map[string]struct {
		Block    block
		MinItems int64 `json:"min_items"`
		MaxItems int64 `json:"max_items"`
	} `json:"block_types"`
}

type schema struct {
	Resources map[string]block `json:"resource_schemas"`
	Data      map[string]block `json:"data_source_schemas"`
}

func (b block) told() *tfprotov5.SchemaBlock {
	found := &tfprotov5.SchemaBlock{}
	for name, one := range b.Attributes {
		kind, err := tftypes.ParseJSONType(one.Type) //nolint:staticcheck // there is no other reader of this form
		if err != nil {
			panic(err)
		}
		found.Attributes = append(found.Attributes, &tfprotov5.SchemaAttribute{
			Name: name, Type: kind, Required: one.Required, Optional: one.Optional, Computed: one.Computed,
		})
	}
	for name, one := range b.BlockTypes {
		found.BlockTypes = append(found.BlockTypes, &tfprotov5.SchemaNestedBlock{
			TypeName: name, Block: one.Block.told(), Nesting: tfprotov5.SchemaNestedBlockNestingModeList,
			MinItems: one.MinItems, MaxItems: one.MaxItems,
		})
	}
	return found
}

func schemas(blocks map[string]block) map[string]*tfprotov5.Schema {
	found := map[string]*tfprotov5.Schema{}
	for name, one := range blocks {
		found[name] = &tfprotov5.Schema{Block: one.told()}
	}
	return found
}

// provider answers what `validate` and a first `apply` ask. What it does not define would be asked later, and ends the process.
type provider struct {
	tfprotov5.ProviderServer
	resources, data map[string]*tfprotov5.Schema
}

func (p provider) GetMetadata(context.Context, *tfprotov5.GetMetadataRequest) (*tfprotov5.GetMetadataResponse, error) {
	return &tfprotov5.GetMetadataResponse{}, nil
}

func (p provider) GetProviderSchema(context.Context, *tfprotov5.GetProviderSchemaRequest) (*tfprotov5.GetProviderSchemaResponse, error) {
	return &tfprotov5.GetProviderSchemaResponse{
		Provider:          &tfprotov5.Schema{Block: &tfprotov5.SchemaBlock{}},
		ResourceSchemas:   p.resources,
		DataSourceSchemas: p.data,
	}, nil
}

func (p provider) GetResourceIdentitySchemas(context.Context, *tfprotov5.GetResourceIdentitySchemasRequest) (*tfprotov5.GetResourceIdentitySchemasResponse, error) {
	return &tfprotov5.GetResourceIdentitySchemasResponse{}, nil
}

func (p provider) PrepareProviderConfig(_ context.Context, asked *tfprotov5.PrepareProviderConfigRequest) (*tfprotov5.PrepareProviderConfigResponse, error) {
	return &tfprotov5.PrepareProviderConfigResponse{PreparedConfig: asked.Config}, nil
}

func (p provider) ConfigureProvider(context.Context, *tfprotov5.ConfigureProviderRequest) (*tfprotov5.ConfigureProviderResponse, error) {
	return &tfprotov5.ConfigureProviderResponse{}, nil
}

func (p provider) StopProvider(context.Context, *tfprotov5.StopProviderRequest) (*tfprotov5.StopProviderResponse, error) {
	return &tfprotov5.StopProviderResponse{}, nil
}

func (p provider) ValidateResourceTypeConfig(context.Context, *tfprotov5.ValidateResourceTypeConfigRequest) (*tfprotov5.ValidateResourceTypeConfigResponse, error) {
	return &tfprotov5.ValidateResourceTypeConfigResponse{}, nil
}

func (p provider) ValidateDataSourceConfig(context.Context, *tfprotov5.ValidateDataSourceConfigRequest) (*tfprotov5.ValidateDataSourceConfigResponse, error) {
	return &tfprotov5.ValidateDataSourceConfigResponse{}, nil
}

func (p provider) PlanResourceChange(_ context.Context, asked *tfprotov5.PlanResourceChangeRequest) (*tfprotov5.PlanResourceChangeResponse, error) {
	planned, err := filled(p.resources[asked.TypeName], asked.ProposedNewState, func(name string, all map[string]tftypes.Value) string {
		return fmt.Sprintf("%s:of:%s:%s", name, asked.TypeName, called(all))
	})
	return &tfprotov5.PlanResourceChangeResponse{PlannedState: planned}, err
}

func (p provider) ApplyResourceChange(_ context.Context, asked *tfprotov5.ApplyResourceChangeRequest) (*tfprotov5.ApplyResourceChangeResponse, error) {
	return &tfprotov5.ApplyResourceChangeResponse{NewState: asked.PlannedState}, nil
}

func (p provider) ReadDataSource(_ context.Context, asked *tfprotov5.ReadDataSourceRequest) (*tfprotov5.ReadDataSourceResponse, error) {
	state, err := filled(p.data[asked.TypeName], asked.Config, func(name string, all map[string]tftypes.Value) string {
		if name == "json" {
			return policy(all)
		}
		return map[string]string{
			"account_id": "123456789012", "partition": "aws", "dns_suffix": "amazonaws.com", "region": "us-east-1",
		}[name]
	})
	return &tfprotov5.ReadDataSourceResponse{State: state}, err
}

// filled returns an object in which the computed attributes that nobody gave have values.
func filled(of *tfprotov5.Schema, given *tfprotov5.DynamicValue, value func(string, map[string]tftypes.Value) string) (*tfprotov5.DynamicValue, error) {
	found, err := given.Unmarshal(of.ValueType())
	if err != nil {
		return nil, err
	}
	all, before := map[string]tftypes.Value{}, map[string]tftypes.Value{}
	if err := found.As(&all); err != nil || found.IsNull() {
		return given, err
	}
	maps.Copy(before, all)
	for _, one := range of.Block.Attributes {
		there := all[one.Name]
		open := !there.IsKnown() || there.IsNull()
		if one.Computed && open && one.Type.Is(tftypes.String) {
			all[one.Name] = tftypes.NewValue(tftypes.String, value(one.Name, before))
		} else if one.Computed && open {
			all[one.Name] = tftypes.NewValue(one.Type, nil)
		}
	}
	made, err := tfprotov5.NewDynamicValue(of.ValueType(), tftypes.NewValue(of.ValueType(), all))
	return &made, err
}

// called returns the first name of a resource that is given.
func called(all map[string]tftypes.Value) string {
	for _, name := range []string{"name_prefix", "name"} {
		if one, there := all[name]; there && one.IsKnown() && !one.IsNull() {
			return text(one)
		}
	}
	return ""
}

func text(value tftypes.Value) string {
	var found string
	if err := value.As(&found); err != nil {
		panic(err)
	}
	return found
}

func texts(value tftypes.Value) []string {
	var found []tftypes.Value
	if err := value.As(&found); err != nil {
		panic(err)
	}
	all := []string{}
	for _, one := range found {
		all = append(all, text(one))
	}
	return all
}

func blocks(value tftypes.Value) []map[string]tftypes.Value {
	var found []tftypes.Value
	if err := value.As(&found); err != nil {
		panic(err)
	}
	all := []map[string]tftypes.Value{}
	for _, one := range found {
		fields := map[string]tftypes.Value{}
		if err := one.As(&fields); err != nil {
			panic(err)
		}
		all = append(all, fields)
	}
	return all
}

// policy returns the JSON of a policy document. Blocks of it that bundles do not use are not read.
func policy(all map[string]tftypes.Value) string {
	statements := []map[string]any{}
	for _, one := range blocks(all["statement"]) {
		made := map[string]any{"Effect": "Allow"}
		if !one["sid"].IsNull() {
			made["Sid"] = text(one["sid"])
		}
		if !one["effect"].IsNull() {
			made["Effect"] = text(one["effect"])
		}
		made["Action"] = texts(one["actions"])
		if !one["resources"].IsNull() {
			made["Resource"] = texts(one["resources"])
		}
		for _, who := range blocks(one["principals"]) {
			made["Principal"] = map[string]any{text(who["type"]): texts(who["identifiers"])}
		}
		conditions := map[string]any{}
		for _, condition := range blocks(one["condition"]) {
			conditions[text(condition["test"])] = map[string]any{text(condition["variable"]): texts(condition["values"])}
		}
		if len(conditions) > 0 {
			made["Condition"] = conditions
		}
		statements = append(statements, made)
	}
	made, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	if err != nil {
		panic(err)
	}
	return string(made)
}

func main() {
	file, err := os.ReadFile(os.Getenv("MAGNUS_TERRAFORM_SCHEMA"))
	if err != nil {
		panic(err)
	}
	var found schema
	if err := json.Unmarshal(file, &found); err != nil {
		panic(err)
	}
	served := provider{resources: schemas(found.Resources), data: schemas(found.Data)}
	err = tf5server.Serve("registry.terraform.io/hashicorp/aws", func() tfprotov5.ProviderServer { return served })
	if err != nil {
		panic(err)
	}
}
